//go:build e2e

package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// listener is a web hook that keeps the messages of SNS that it hears, by the path
// they come to.
type listener struct {
	url string
	mu  sync.Mutex
	got map[string][]map[string]any
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{got: make(map[string][]map[string]any)}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m map[string]any
		if err != nil || json.Unmarshal(body, &m) != nil {
			t.Errorf("a web hook got %q: %v", body, err)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got[r.URL.Path] = append(l.got[r.URL.Path], m)
	}))
	t.Cleanup(s.Close)
	l.url = s.URL
	return l
}

// heard waits for a message of a type that has a text in it.
func (l *listener) heard(t *testing.T, path, kind, text string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; tick(t, 20*time.Millisecond) {
		l.mu.Lock()
		for _, m := range l.got[path] {
			if message, _ := m["Message"].(string); m["Type"] == kind && strings.Contains(message, text) {
				l.mu.Unlock()
				return m
			}
		}
		l.mu.Unlock()
		if time.Now().After(deadline) {
			t.Errorf("%s did not hear a %s with %s", path, kind, text)
			return nil
		}
	}
}
