package receiving_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/dkim"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/receiving"
)

// keyring is the DNS of some providers.
type keyring struct {
	texts map[string]string
	down  bool
}

func (k *keyring) TXT(_ context.Context, name string) ([]string, error) {
	if k.down {
		return nil, &resolver.Error{Kind: resolver.Failed, Name: name}
	}
	if text, ok := k.texts[name]; ok {
		return []string{text}, nil
	}
	return nil, &resolver.Error{Kind: resolver.NotFound, Name: name}
}

// key makes and publishes one.
func (k *keyring) key(t testing.TB, domain string) *dkim.Key {
	t.Helper()
	private, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	key := &dkim.Key{Domain: domain, Selector: "s", Algorithm: dkim.Ed25519, Private: private}
	if k.texts == nil {
		k.texts = make(map[string]string)
	}
	if k.texts[key.Record()], err = dkim.TXT(private.Public()); err != nil {
		t.Fatal(err)
	}
	return key
}

// complains is a report about a message, by a provider that may not say of whom.
func complains(t testing.TB, from, kind string, m *queue.Message, key *dkim.Key, rcpts ...string) string {
	t.Helper()
	header := "From: " + from + "\r\nSubject: complaint\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
	body := "--b\r\n\r\nComplaint.\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: " + kind + "\r\nVersion: 1\r\nUser-Agent: Loop/1\r\n"
	for _, to := range rcpts {
		body += "Original-Rcpt-To: " + to + "\r\n"
	}
	body += "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nReturn-Path: <" + bounces(m) + ">\r\nFrom: ann@shop.example.org\r\nSubject: sale\r\n\r\n--b--\r\n"
	if key == nil {
		return header + body
	}
	signature, err := dkim.Sign([]byte(header), strings.NewReader(body), []*dkim.Key{key}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(signature) + header + body
}

func TestWhoseComplaintsCount(t *testing.T) {
	ring := &keyring{}
	own, sub, parent, other := ring.key(t, "example.net"), ring.key(t, "a.loop.example.com"), ring.key(t, "example.com"), ring.key(t, "evil.example")
	w := newWorld(t)
	r := w.receiver(func(o *receiving.Options) {
		o.DNS, o.Providers = ring, []string{"staff@Example.net", "loop.example.com"}
	})
	for name, c := range map[string]struct {
		from string
		key  *dkim.Key
		want bool
	}{
		"the address of the list":               {"Staff <STAFF@example.net>", own, true},
		"a provider's domain, signed below":     {"x@loop.example.com", sub, true},
		"below it, signed above":                {"x@b.loop.example.com", parent, true},
		"another address of the domain":         {"mallory@example.net", own, false},
		"the address at a domain below":         {"staff@sub.example.net", own, false},
		"signed by somebody else":               {"staff@example.net", other, false},
		"not signed":                            {"staff@example.net", nil, false},
		"a domain that only ends like it":       {"x@evilloop.example.com", parent, false},
		"two addresses":                         {"staff@example.net, mallory@example.net", own, false},
		"a display name that is an address":     {`"staff@example.net" <mallory@evil.example>`, other, false},
		"a signature that is not of the domain": {"x@loop.example.com", own, false},
	} {
		m := w.left("bob@example.com")
		n := len(w.told)
		if err := r.Receive(t.Context(), request(complains(t, c.from, "abuse", m, c.key, "bob@example.com"), "", "fbl@mail.example.org")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := len(w.told) > n; got != c.want {
			t.Errorf("%s: counted %v", name, got)
		}
	}
	for _, f := range w.told {
		if f.Type != event.Complaint || f.Report == nil || f.Report.FeedbackType != "abuse" || f.Report.UserAgent != "Loop/1" {
			t.Errorf("told %+v", f)
		}
	}
}

func TestWhoComplained(t *testing.T) {
	ring := &keyring{}
	key := ring.key(t, "loop.example.com")
	to := []string{"bob@example.com", "cy@example.com", "dee@example.net", "eve@example.fr"}
	for name, c := range map[string]struct {
		to, said []string
		want     string
	}{
		"whom it names":                       {to, []string{"Dee@example.net"}, "2"},
		"several":                             {to, []string{"<cy@example.com>", "dee@example.net"}, "1 2"},
		"all at the domain that it names":     {to, []string{"redacted@example.com"}, "0 1"},
		"the only one":                        {to[2:3], nil, "0"},
		"the only one, under another address": {to[2:3], []string{"elsewhere@example.org"}, "0"},
		"all of the provider's house":         {[]string{"a@loop.fr", "b@shop.example", "c@example.fr"}, nil, "2"},
		"nobody that it could be":             {[]string{"a@shop.test", "b@store.test"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.receiver(func(o *receiving.Options) { o.DNS, o.Providers = ring, []string{"loop.example.com"} })
			m := w.left(c.to...)
			if err := r.Receive(t.Context(), request(complains(t, "x@loop.example.com", "abuse", m, key, c.said...), "", bounces(m))); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range w.told {
				for _, rcpt := range f.Recipients {
					got = append(got, fmt.Sprint(rcpt.N))
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%q complained, want %q", s, c.want)
			}
		})
	}
}

func TestWhatIsNoComplaintThoughItIsReported(t *testing.T) {
	ring := &keyring{}
	key := ring.key(t, "loop.example.com")
	w := newWorld(t)
	var forgiven []string
	trouble := errors.New("disk is away")
	r := w.receiver(func(o *receiving.Options) {
		o.DNS, o.Providers = ring, []string{"loop.example.com"}
		o.Forgive = func(_ context.Context, account string, to mail.Address) error {
			forgiven = append(forgiven, account+" "+to.String())
			return trouble
		}
	})
	m := w.left("bob@example.com", "cy@example.com")
	notSpam := complains(t, "x@loop.example.com", "not-spam", m, key, "bob@example.com")
	if err := r.Receive(t.Context(), request(notSpam, "", bounces(m))); !errors.Is(err, trouble) {
		t.Errorf("got %v", err)
	}
	trouble = nil
	for _, text := range []string{notSpam, complains(t, "x@loop.example.com", "auth-failure", m, key, "bob@example.com")} {
		if err := r.Receive(t.Context(), request(text, "", bounces(m))); err != nil {
			t.Error(err)
		}
	}
	if len(w.told) != 0 || len(w.notices) != 0 || len(forgiven) != 2 || forgiven[1] != m.Account+" bob@example.com" {
		t.Errorf("told %v, forgave %q", w.told, forgiven)
	}
}

func TestAKeyThatCannotBeLookedUpPutsTheComplaintOff(t *testing.T) {
	ring := &keyring{}
	key := ring.key(t, "loop.example.com")
	w := newWorld(t)
	r := w.receiver(func(o *receiving.Options) { o.DNS, o.Providers = ring, []string{"loop.example.com"} })
	m := w.left("bob@example.com")
	text := complains(t, "x@loop.example.com", "abuse", m, key, "bob@example.com")
	ring.down = true
	err := r.Receive(t.Context(), request(text, "", bounces(m)))
	if reply := (*mail.Reply)(nil); !errors.As(err, &reply) || reply.Code != 451 {
		t.Errorf("got %v", err)
	}
	ring.down = false
	if err := r.Receive(t.Context(), request(text, "", bounces(m))); err != nil || len(w.told) != 1 {
		t.Errorf("got %v, %d told", err, len(w.told))
	}
}

func TestAFloodDoesNotReachAPerson(t *testing.T) {
	w := newWorld(t)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	m := w.left("bob@example.com")
	r := w.receiver(func(o *receiving.Options) { o.Postmaster, o.Now = m.To[0], func() time.Time { return now } })
	send := func(i int) error {
		return r.Receive(t.Context(), request(fmt.Sprintf("Subject: %d\r\n\r\nhi\r\n", i), "x@example.net", "abuse@mail.example.org"))
	}
	for i := range 100 {
		if err := send(i); err != nil {
			t.Fatal(err)
		}
	}
	err := send(100)
	if reply := (*mail.Reply)(nil); !errors.As(err, &reply) || reply.Code != 451 || mail.LimitOf(err) == nil {
		t.Errorf("got %v", err)
	}
	if err := r.Receive(t.Context(), request(complains(t, "x@example.net", "abuse", m, nil), "", bounces(m))); err != nil {
		t.Errorf("a report that is shown to nobody: %v", err)
	}
	now = now.Add(40 * time.Second)
	if err := send(100); err != nil || len(w.notices) != 101 {
		t.Errorf("got %v, %d mails", err, len(w.notices))
	}
}
