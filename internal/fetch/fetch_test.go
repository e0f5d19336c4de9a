package fetch

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGet(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/there" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, "content")
	}))
	defer server.Close()
	r, err := Get(t.Context(), server.URL+"/there")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); string(body) != "content" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for from, says := range map[string]string{
		server.URL + "/nothing": "404 Not Found",
		closed.URL:              "dial tcp",
		"http://%":              "parse",
	} {
		_, err := Get(t.Context(), from)
		if err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s: %v", from, err)
		}
	}
}
