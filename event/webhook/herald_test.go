package webhook_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sesame-mta/sesame/event/webhook"
)

// listener takes what is posted to it, and answers with a status.
func listener(t *testing.T, status int) (url string, texts <-chan string) {
	t.Helper()
	got := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		got <- r.Header.Get("x-amz-sns-rawdelivery") + " " + string(body)
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func TestAHeraldSaysATextOnceToWhoAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h, ended := webhook.NewHerald(nil), make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		url, texts := listener(t, status)
		h.Say(rawSNS(t, url), "1", "about", "hello")
		if got := <-texts; got != "true hello" {
			t.Errorf("heard %q", got)
		}
		// What comes next is not a second try.
		h.Say(rawSNS(t, url), "2", "about", "again")
		if got := <-texts; got != "true again" {
			t.Errorf("heard %q", got)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func rawSNS(t *testing.T, url string) *webhook.SNS {
	t.Helper()
	signer, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	return webhook.NewSNS(webhook.SNSOptions{Consumer: "to/1/main/sns@1", URL: url, Client: client(t), Signer: signer, Version: 1, Raw: true,
		Topic: webhook.Topic{Region: "local-1", Account: "000000000001", Name: "news"}, Token: "t", Confirmed: true, Subscription: "1"})
}
