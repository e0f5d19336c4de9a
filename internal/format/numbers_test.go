package format

import (
	"strings"
	"testing"
)

func TestOptionalNumbersCompareAsNumbers(t *testing.T) {
	small, large := int64(5000), int64(20000)
	v := struct{ Small, Large *int64 }{&small, &large}
	var out strings.Builder
	if err := Values(&out, "{{gt .Large .Small}} {{.Large}} {{gt .Small 4999}}", []any{v}); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != "true 20000 true" {
		t.Errorf("got %q", got)
	}
}
