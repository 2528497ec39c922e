package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/eventtest"
	"github.com/sesame-mta/sesame/event/webhook"
)

// receiver is somebody's web server.
type receiver struct {
	*httptest.Server
	broken atomic.Bool
	mu     sync.Mutex
	got    []eventtest.Got
	heads  []http.Header
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		seq, _ := strconv.ParseUint(q.Header.Get("sesame-sequence"), 10, 64) // 0 is none
		if q.Header.Get("x-amz-sns-message-type") == "Notification" {
			var m struct{ Message string }
			if err := json.Unmarshal(body, &m); err != nil {
				t.Error(err)
			}
			body = []byte(m.Message)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.heads = append(r.got, eventtest.Got{Seq: seq, JSON: body}), append(r.heads, q.Header)
	}))
	t.Cleanup(r.Close)
	return r
}

func client(t testing.TB) *http.Client {
	t.Helper()
	c := webhook.NewClient(func(netip.Addr) error { return nil })
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func (r *receiver) bench(open func(t *testing.T, r *receiver) event.Sink) eventtest.Bench {
	return eventtest.Bench{
		Open:  func(t *testing.T) event.Sink { return open(t, r) },
		Break: func(_ *testing.T, broken bool) { r.broken.Store(broken) },
		Got: func(*testing.T) []eventtest.Got {
			r.mu.Lock()
			defer r.mu.Unlock()
			return append([]eventtest.Got(nil), r.got...)
		},
	}
}

func plain(t testing.TB, url string) *webhook.Plain {
	t.Helper()
	return webhook.NewPlain(webhook.PlainOptions{Consumer: "to/1/main/app", URL: url, Secret: []byte("secret"),
		Client: client(t), Encoder: &event.Encoder{Hostname: "mx1.example.org"}})
}

func TestPlainContract(t *testing.T) {
	eventtest.Run(t, func(t *testing.T) eventtest.Bench {
		return newReceiver(t).bench(func(t *testing.T, r *receiver) event.Sink { return plain(t, r.URL) })
	})
}

var newKey = sync.OnceValues(func() (*webhook.Signer, error) {
	private, certificate, err := webhook.NewKey("mail.example.org")
	if err != nil {
		return nil, err
	}
	return webhook.NewSigner(private, certificate)
})

func sns(t testing.TB, url string, confirmed bool) *webhook.SNS {
	t.Helper()
	signer, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	return webhook.NewSNS(webhook.SNSOptions{Consumer: "to/1/main/sns", URL: url, Client: client(t), Signer: signer, Version: 2,
		Encoder: &event.Encoder{Hostname: "mx1.example.org"}, PublicURL: "https://mail.example.org", Token: "t", Confirmed: confirmed,
		Topic: webhook.Topic{Region: "local-1", Account: "000000000001", Owner: "main", Name: "sns"}})
}

func TestSNSContract(t *testing.T) {
	eventtest.Run(t, func(t *testing.T) eventtest.Bench {
		return newReceiver(t).bench(func(t *testing.T, r *receiver) event.Sink { return sns(t, r.URL, true) })
	})
}

func TestAnUnconfirmedSubscriptionAsksOnce(t *testing.T) {
	r := newReceiver(t)
	s := sns(t, r.URL, false)
	for range 3 {
		if err := s.Ready(t.Context()); !errors.Is(err, webhook.ErrUnconfirmed) {
			t.Errorf("got %v", err)
		}
	}
	if len(r.heads) != 1 || r.heads[0].Get("x-amz-sns-message-type") != "SubscriptionConfirmation" {
		t.Errorf("got %v", r.heads)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	target := newReceiver(t)
	r := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer r.Close()
	_, err := plain(t, r.URL).Tell(t.Context(), eventtest.Records(t, 1, 1))
	var status webhook.StatusError
	if !errors.As(err, &status) || status != http.StatusTemporaryRedirect || len(target.got) > 0 {
		t.Errorf("got %v, %d arrived", err, len(target.got))
	}
}

func TestTheAddressIsJudgedRightBeforeTheConnection(t *testing.T) {
	r := newReceiver(t)
	var judged []netip.Addr
	forbidden := errors.New("forbidden")
	c := webhook.NewClient(func(a netip.Addr) error { judged = append(judged, a); return forbidden })
	p := webhook.NewPlain(webhook.PlainOptions{URL: r.URL, Client: c, Encoder: &event.Encoder{}})
	if _, err := p.Tell(t.Context(), eventtest.Records(t, 1, 1)); !errors.Is(err, forbidden) {
		t.Errorf("got %v", err)
	}
	if len(judged) == 0 || judged[0] != netip.MustParseAddr("127.0.0.1") || len(r.got) > 0 {
		t.Errorf("judged %v, %d arrived", judged, len(r.got))
	}
}

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		for q.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 64<<10)); err != nil {
				return
			}
		}
	}))
	defer r.Close()
	start := time.Now()
	told, err := plain(t, r.URL).Tell(t.Context(), eventtest.Records(t, 1, 1))
	if err != nil || len(told) != 2 || time.Since(start) > 10*time.Second {
		t.Errorf("told %v, %v after %v", told, err, time.Since(start))
	}
}

func TestARefusedEventHoldsBackItsMessageAlone(t *testing.T) {
	bad := eventtest.Message(t, 1).String()
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil || bytes.Contains(body, []byte(bad)) {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer r.Close()
	records := eventtest.Records(t, 1, 3) // numbers 2 and 5 are those of the second message
	told, err := plain(t, r.URL).Tell(t.Context(), records)
	var status webhook.StatusError
	if !errors.As(err, &status) || len(told) != 4 {
		t.Errorf("told %v, %v", told, err)
	}
	for _, seq := range told {
		if seq == 2 || seq == 5 {
			t.Errorf("number %d was told", seq)
		}
	}
}

func TestATokenSaysWhoseItIsAndIsMadeWithTheKeyOnly(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	token := webhook.Token([]byte("key"), "42/identity:a/b@example.org/app", at)
	if place, ok := webhook.Place(token); !ok || place != "42/identity:a/b@example.org/app" {
		t.Errorf("%q, %v", place, ok)
	}
	for name, other := range map[string]string{
		"another key": webhook.Token([]byte("other"), "42/identity:a/b@example.org/app", at), "another place": webhook.Token([]byte("key"), "42/main/app", at),
		"made anew": webhook.Token([]byte("key"), "42/identity:a/b@example.org/app", at.Add(time.Second)),
	} {
		if other == token {
			t.Errorf("%s gives the same", name)
		}
	}
	for _, bad := range []string{"", "x", token[1:], token[:64]} {
		if place, ok := webhook.Place(bad); ok {
			t.Errorf("%q is of %q", bad, place)
		}
	}
}

func TestTheHandlerKnowsItsTokensOnly(t *testing.T) {
	signer, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	h := &webhook.Handler{Signer: signer, Confirm: func(_ context.Context, token string) (string, error) {
		switch token {
		case "good":
			return "arn:x", nil
		case "broken":
			return "", errors.New("a private matter")
		}
		return "", webhook.ErrToken
	}}
	for path, want := range map[string]int{
		signer.CertPath(): 200, "/sns/other.pem": 404, "/sns": 404, "/sns?Action=ConfirmSubscription&Token=good": 200,
		"/sns?Action=ConfirmSubscription&Token=bad": 404, "/sns?Action=ConfirmSubscription&Token=broken": 500,
		"/sns/?Action=ConfirmSubscription&Token=good": 404,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want || bytes.Contains(w.Body.Bytes(), []byte("private matter")) {
			t.Errorf("%s gave %d %s", path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/sns?Action=ConfirmSubscription&Token=good", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST gave %d", w.Code)
	}
}

func ExampleSign() {
	fmt.Println(webhook.Sign([]byte("secret"), "evt_1", "1770000000", []byte(`{"eventType":"Send"}`)))
	// Output: v1,BADnotLO/Pn3P176fzpf2wr0Tktpn1fbjDOdBFAcxug=
}
