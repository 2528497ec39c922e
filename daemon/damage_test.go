package daemon_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/suppress"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/store/bolt"
)

// bounced puts a bounce of a message that cannot be read into a stopped server's spool,
// in front of the suppression lists.
func (r *relay) bounced(to string) {
	r.t.Helper()
	ok := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	ctx, now := context.Background(), time.Now()
	minter, err := mail.NewMinter(bytes.Repeat([]byte{7}, 32), 0, 1)
	ok(err)
	path, err := mail.ParseForwardPath(to)
	ok(err)
	back, err := mail.ParseAddress("spoilt@mail.example.org")
	ok(err)
	s, err := bolt.Open(bolt.Options{Dir: r.cfg.DataDir})
	ok(err)
	d, err := s.Draft(ctx)
	ok(err)
	m := queue.Message{ID: minter.New(now), Account: account.DefaultID, To: []mail.ForwardPath{path}, Accepted: now, Keep: true, Return: back}
	_, err = s.Append(ctx, queue.Submission{Message: m, Content: d, Due: now, MaxAge: time.Hour})
	ok(err)
	ok(s.Commit(ctx, queue.Settlement{ID: m.ID, Entries: []queue.Settled{{Result: mail.Failed}}, Events: []event.Event{{
		Type: event.Bounce, Message: m.ID, Account: m.Account, Time: now, Consumers: []string{suppress.Consumer},
		Recipients: []event.Recipient{{To: path, Reply: *mail.Refuse(550, 1, 1, "no"), Remote: true, BounceType: "Permanent"}},
	}}}))
	ok(s.Close())
	file := filepath.Join(r.cfg.DataDir, "spool.db")
	text, err := os.ReadFile(file)
	ok(err)
	if !bytes.Contains(text, []byte("spoilt@mail")) {
		r.t.Fatal("the message is not in the file")
	}
	ok(os.WriteFile(file, bytes.ReplaceAll(text, []byte("spoilt@mail"), []byte("spoilt<mail")), 0o600))
}

func TestADamagedMessageHoldsUpNoSuppression(t *testing.T) {
	r := newRelay(t, testmx.Options{Script: unwanted().Script})
	r.stop()
	r.bounced("bob@example.net")
	r.start()
	r.mail("gone@example.net")
	for _, to := range []string{"bob@example.net", "gone@example.net"} {
		r.until(to+" is suppressed", func() bool { return r.listed("default", to) })
	}
}
