package public_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/api/public"
)

// links knows one link.
type links struct {
	link, address string
	used          int
	err           error
}

func (l *links) Linked(link string) (string, error) {
	if l.err != nil {
		return "", l.err
	}
	if link != l.link || l.used > 0 {
		return "", public.ErrLink
	}
	return l.address, nil
}

func (l *links) Confirm(_ context.Context, link string) (string, error) {
	a, err := l.Linked(link)
	if err == nil {
		l.used++
	}
	return a, err
}

func ask(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOnlyTheButtonVerifiesAndOnlyOnce(t *testing.T) {
	l := &links{link: "good", address: "ann@example.org"}
	h := public.New(public.Options{Service: "mail.example.com", Verifier: l})
	for range 3 {
		w := ask(h, "GET", "/verify?link=good", "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "ann@example.org") || l.used != 0 {
			t.Fatalf("%d, used %d times:\n%s", w.Code, l.used, w.Body)
		}
	}
	if w := ask(h, "HEAD", "/verify?link=good", ""); w.Code != http.StatusOK || l.used != 0 {
		t.Errorf("HEAD: %d, used %d times", w.Code, l.used)
	}
	// A link in the query of a POST is none: only the form's counts.
	if w := ask(h, "POST", "/verify?link=good", "x=y"); w.Code != http.StatusNotFound || l.used != 0 {
		t.Errorf("POST without form: %d, used %d times", w.Code, l.used)
	}
	if w := ask(h, "POST", "/verify", "link=good"); w.Code != http.StatusOK || l.used != 1 {
		t.Errorf("POST: %d, used %d times", w.Code, l.used)
	}
	if w := ask(h, "POST", "/verify", "link=good"); w.Code != http.StatusNotFound || l.used != 1 {
		t.Errorf("second POST: %d, used %d times", w.Code, l.used)
	}
}

func TestWhatIsRefusedIsBlandAndNothingIsEchoed(t *testing.T) {
	l := &links{link: "good", address: "<script>@example.org"}
	h := public.New(public.Options{Service: "mail.example.com", Verifier: l})
	evil := url.QueryEscape(`"><script>alert(1)</script>`)
	bodies := map[string]bool{}
	for _, link := range []string{"", "bad", evil, strings.Repeat("a", 5000)} {
		w := ask(h, "GET", "/verify?link="+link, "")
		if w.Code != http.StatusNotFound {
			t.Errorf("%.20s: %d", link, w.Code)
		}
		bodies[w.Body.String()] = true
	}
	if len(bodies) != 1 {
		t.Errorf("%d different pages for links that are not good", len(bodies))
	}
	if w := ask(h, "GET", "/verify?link=good", ""); strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("not escaped:\n%s", w.Body)
	}
	if w := ask(h, "POST", "/verify", "link="+strings.Repeat("a", 1<<20)); w.Code != http.StatusNotFound {
		t.Errorf("a huge form: %d", w.Code)
	}
	l.err = errors.New("disk /var/lib broke")
	if w := ask(h, "GET", "/verify?link=good", ""); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "/var") {
		t.Errorf("%d:\n%s", w.Code, w.Body)
	}
}

func TestOthersCannotUseThePages(t *testing.T) {
	h := public.New(public.Options{Service: "mail.example.com", Verifier: &links{}})
	for _, target := range []string{"/verify?link=x", "/", "/verify/../admin"} {
		w := ask(h, "GET", target, "")
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if !strings.Contains(w.Header().Get(name), want) {
				t.Errorf("%s: %s is %q", target, name, w.Header().Get(name))
			}
		}
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH"} {
		if w := ask(h, method, "/verify", ""); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func ExampleNew() {
	h := public.New(public.Options{Service: "mail.example.com", Verifier: &links{link: "good", address: "ann@example.org"}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/verify?link=old", nil))
	fmt.Println(w.Code)
	// Output: 404
}
