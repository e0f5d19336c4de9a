package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

// Everything that rl needs is listed with what was found; what is not in order
// says what that costs.
func TestCheck(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		var report struct {
			User  string
			Items []struct{ Group, Name, Status, Found, Cost string }
		}
		text := e.OK(t, "check", "--format", "json")
		if err := json.Unmarshal([]byte(text), &report); err != nil || report.User != e.Account.Name || len(report.Items) < 10 {
			t.Fatalf("%v: %s", err, text)
		}
		table := e.OK(t, "system", "check")
		for _, i := range report.Items {
			if i.Status != "ok" && (i.Status != "degraded" && i.Status != "missing" || i.Cost == "") {
				t.Errorf("what does that mean: %+v", i)
			}
			if !strings.Contains(table, i.Name) || !strings.Contains(table, i.Group) || !strings.Contains(table, i.Cost) {
				t.Errorf("the table lacks %+v", i)
			}
		}
	})
}

func TestCheckRefuses(t *testing.T) {
	e := AsUser(t)
	e.Run(t, "check", "memory").Exits(t, 125).Says(t, "unexpected argument memory")
	e.Run(t, "check", "--format", "yaml").Exits(t, 125).Says(t, "yaml", "json")
}
