package smtpd_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

// inbound takes mail to fbl@ and postmaster@ of example.org, and hands it to a desk
// to look at.
type inbound struct {
	desk    *desk
	receive func() error
}

func (i *inbound) Recipient(_ context.Context, to mail.ForwardPath) error {
	if !strings.HasSuffix(to.Domain(), "example.org") {
		return smtpd.ErrNotOurs
	}
	switch strings.ToLower(to.Local()) {
	case "fbl", "postmaster":
		return nil
	case "trouble":
		return errors.New("read /var/lib: disk on fire")
	}
	return mail.Refuse(550, 1, 1, "No such address here")
}

func (i *inbound) Receive(ctx context.Context, r *submission.Request) error {
	if i.receive != nil {
		if err := i.receive(); err != nil {
			return err
		}
	}
	_, err := i.desk.Submit(ctx, r)
	return err
}

// report begins a message to fbl@example.org, up to its content.
func report(c *client) {
	c.t.Helper()
	c.hello()
	c.ask("MAIL FROM:<>", "250 Ok")
	c.ask("RCPT TO:<fbl@example.org>", "250 Ok")
	c.ask("DATA", "354 End data with <CR><LF>.<CR><LF>")
}

func TestAStrangersTroubleIsLoggedAndNotShown(t *testing.T) {
	var j journal
	r := start(t, func(o *smtpd.Options) {
		o.Log = j.log()
		settings("feedback")(o)
		o.Inbound.(*inbound).receive = func() error { return errors.New("disk on fire") }
	})
	c := dial(t, r.starttls)
	report(c)
	c.ask("Subject: x\r\n\r\nx\r\n.", "451 Temporary service failure")
	c.ask("QUIT", "221 Bye")
	r.stop(t)
	if !strings.Contains(j.String(), "disk on fire") || len(r.desk.messages()) != 0 {
		t.Errorf("%d messages; log:\n%s", len(r.desk.messages()), j.String())
	}
}

func TestAFeedbackListenerIssuesNoSessionTickets(t *testing.T) {
	for _, open := range []bool{false, true} {
		r := start(t, func(o *smtpd.Options) {
			if open {
				settings("feedback")(o)
			}
		})
		cache := &tickets{}
		c := dial(t, r.starttls)
		c.hello()
		c.ask("STARTTLS", "220 Ready to start TLS")
		// In TLS 1.3 tickets follow the handshake and are taken with the first read.
		conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true, ClientSessionCache: cache, ServerName: "mx.example.org"})
		if _, err := io.WriteString(conn, "QUIT\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
		if got := cache.puts > 0; got == open {
			t.Errorf("open %v: %d tickets", open, cache.puts)
		}
	}
}

// tickets counts those that a server gives.
type tickets struct{ puts int }

func (*tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (c *tickets) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.puts++
	}
}

func TestAMessageThatTheServersEndCutsOffIsNotTaken(t *testing.T) {
	begun := make(chan struct{})
	r := start(t, func(o *smtpd.Options) {
		settings("feedback")(o)
		o.Limits.Grace = time.Millisecond
		o.Inbound.(*inbound).receive = func() error { close(begun); return nil }
	})
	c := dial(t, r.starttls)
	report(c)
	c.send("Subject: x\r\n")
	<-begun
	r.stop(t)
	if len(r.desk.messages()) != 0 {
		t.Error("half a message was taken")
	}
}

func TestFeedbackListenersNeedAnInboundRoom(t *testing.T) {
	_, err := smtpd.New(smtpd.Options{Hostname: "mx.example.org", Auth: users{}, Desk: newDesk(t), Feedback: []net.Listener{failing{}}})
	if err == nil || !strings.Contains(err.Error(), "inbound") {
		t.Errorf("got %v", err)
	}
}
