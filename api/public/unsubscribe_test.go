package public_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/api/public"
)

// lists knows one token.
type lists struct {
	did []string
	err error
}

func (l *lists) Subscription(_ context.Context, token string) (public.Subscription, error) {
	if token != "good" {
		return public.Subscription{}, public.ErrLink
	}
	return l.subscription(), l.err
}

func (l *lists) subscription() public.Subscription {
	return public.Subscription{Address: "<b>ann@example.org", List: "news", Left: len(l.did) > 0 && l.did[len(l.did)-1] != "rejoin"}
}

func (l *lists) Leave(ctx context.Context, token string, oneClick bool) (public.Subscription, error) {
	did := "leave"
	if oneClick {
		did = "one click"
	}
	return l.do(ctx, token, did)
}

func (l *lists) Rejoin(ctx context.Context, token string) (public.Subscription, error) {
	return l.do(ctx, token, "rejoin")
}

func (l *lists) do(ctx context.Context, token, did string) (public.Subscription, error) {
	if _, err := l.Subscription(ctx, token); err != nil {
		return public.Subscription{}, err
	}
	l.did = append(l.did, did)
	return l.subscription(), nil
}

func TestOnlyAPostLeavesAList(t *testing.T) {
	for _, c := range []struct {
		method, target, body string
		code                 int
		did, says            string
	}{
		{"GET", "/unsubscribe/good", "", 200, "", "value=\"leave\""},
		{"HEAD", "/unsubscribe/good", "", 200, "", ""},
		{"POST", "/unsubscribe/good", "List-Unsubscribe=One-Click", 200, "one click", "value=\"rejoin\""},
		{"POST", "/unsubscribe/good", "list=x&List-Unsubscribe=one-click", 200, "one click", "no more mail"},
		{"POST", "/unsubscribe/good", "action=leave", 200, "leave", "no more mail"},
		{"POST", "/unsubscribe/good", "action=rejoin", 200, "rejoin", "again"},
		{"POST", "/unsubscribe/good?action=leave", "x=y", 400, "", ""},
		{"POST", "/unsubscribe/good", "x=" + strings.Repeat("y", 9000) + "&action=leave", 400, "", ""},
		{"POST", "/unsubscribe/bad", "action=leave", 404, "", "not valid"},
		{"GET", "/unsubscribe/bad", "", 404, "", "not valid"},
		{"GET", "/unsubscribe/", "", 404, "", ""},
		{"PUT", "/unsubscribe/good", "action=leave", 405, "", ""},
	} {
		l := &lists{}
		h := public.New(public.Options{Service: "mail.example.com", Verifier: &links{}, Unsubscriber: l})
		w := ask(h, c.method, c.target, c.body)
		if w.Code != c.code || strings.Join(l.did, ",") != c.did || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s %.40s: %d, did %s:\n%s", c.method, c.target, c.body, w.Code, l.did, w.Body)
		}
		if strings.Contains(w.Body.String(), "<b>") {
			t.Errorf("not escaped:\n%s", w.Body)
		}
		if w.Header().Get("Referrer-Policy") != "no-referrer" || w.Code/100 == 3 {
			t.Errorf("%s %s: %v", c.method, c.target, w.Header())
		}
	}
}

func TestAServerWithoutListsHasNoSuchPage(t *testing.T) {
	h := public.New(public.Options{Service: "mail.example.com", Verifier: &links{}})
	if w := ask(h, "GET", "/unsubscribe/good", ""); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

func TestWhoGoesBackAndForthIsToldToWait(t *testing.T) {
	var log strings.Builder
	h := public.New(public.Options{Service: "mail.example.com", Verifier: &links{}, Unsubscriber: &lists{err: public.ErrSoon},
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	if w := ask(h, "POST", "/unsubscribe/good", "action=rejoin"); w.Code != http.StatusTooManyRequests || log.Len() > 0 {
		t.Errorf("%d, log %s", w.Code, log.String())
	}
}

func TestTroubleWithAListIsNotShown(t *testing.T) {
	h := public.New(public.Options{Service: "mail.example.com", Verifier: &links{}, Unsubscriber: &lists{err: errors.New("disk /var/lib broke")}})
	for method, body := range map[string]string{"GET": "", "POST": "action=leave"} {
		if w := ask(h, method, "/unsubscribe/good", body); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "/var") {
			t.Errorf("%s: %d:\n%s", method, w.Code, w.Body)
		}
	}
}
