//go:build e2e

package e2e_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/eventtest"
	"github.com/sesame-mta/sesame/event/webhook"
	"github.com/sesame-mta/sesame/internal/mta"
)

// validate is how the SNS library of Node checks messages, with nothing of its own
// changed but the pattern for the host.
const validate = `
const validator = new (require('sns-validator'))(/^127\.0\.0\.1:[0-9]+$/)
const messages = JSON.parse(require('fs').readFileSync(0))
const next = () => {
  if (messages.length === 0) return
  validator.validate(messages.shift(), (err, m) => {
    console.log(err ? 'refused: ' + err.message : 'genuine: ' + m.Type + ' ' + m.SignatureVersion)
    next()
  })
}
next()
`

func newSigner(t *testing.T) *webhook.Signer {
	t.Helper()
	private, certificate, err := webhook.NewKey("mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := webhook.NewSigner(private, certificate)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestTheSNSValidatorOfNodeTakesOurMessages(t *testing.T) {
	need(t, "node")
	modules := filepath.Join(mta.Roots(), "node", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "sns-validator")); err != nil {
		if inCI() {
			t.Fatal(err)
		}
		t.Skip("sns-validator is not installed; run .ci/counterparts")
	}
	signer := newSigner(t)
	public := httptest.NewTLSServer(&webhook.Handler{Signer: signer})
	defer public.Close()
	var bodies []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies = append(bodies, string(body))
	}))
	defer receiver.Close()
	client := webhook.NewClient(func(netip.Addr) error { return nil })
	defer client.CloseIdleConnections()
	for version := 1; version <= 2; version++ {
		o := webhook.SNSOptions{Consumer: "to/1/main/sns", URL: receiver.URL, Client: client, Signer: signer, Version: version,
			Encoder: &event.Encoder{Hostname: "mx1.example.org"}, PublicURL: public.URL, Token: "t",
			Topic: webhook.Topic{Region: "local-1", Account: "000000000001", Owner: "main", Name: "sns"}}
		if err := webhook.NewSNS(o).Ready(t.Context()); err == nil {
			t.Error("it is confirmed")
		}
		o.Confirmed = true
		// What is published has a subject, what an identity is told has none.
		for _, o.Encoder.Notification = range []bool{false, true} {
			if _, err := webhook.NewSNS(o).Tell(t.Context(), eventtest.Records(t, 1, 1)[1:]); err != nil {
				t.Fatal(err)
			}
		}
	}
	// One that was changed on its way.
	bodies = append(bodies, strings.Replace(bodies[1], "Subject", "Ubject", 1))

	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public.Certificate().Raw})
	for name, content := range map[string][]byte{"ca.pem": text, "validate.cjs": []byte(validate)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := program(t, dir, []string{"NODE_PATH=" + modules, "NODE_EXTRA_CA_CERTS=" + ca}, []byte("["+strings.Join(bodies, ",")+"]"), "node", "validate.cjs")
	want := "genuine: SubscriptionConfirmation 1\ngenuine: Notification 1\ngenuine: Notification 1\n" +
		"genuine: SubscriptionConfirmation 2\ngenuine: Notification 2\ngenuine: Notification 2\n" +
		"refused: The message signature is invalid.\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
