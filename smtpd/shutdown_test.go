package smtpd_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

const closing = "421 Service not available, closing transmission channel."

func TestShutdownTellsTheIdleAndWaitsForTheBusy(t *testing.T) {
	r := start(t, trusted)
	idle, busy, chunks, secure := dial(t, r.starttls), dial(t, r.starttls), dial(t, r.starttls), dial(t, r.implicit)
	secure.startTLS()
	for _, c := range []*client{idle, busy, chunks, secure} {
		c.hello()
	}
	for _, c := range []*client{busy, chunks} {
		c.ask("MAIL FROM:<a@example.org>", "250 Ok")
		c.ask("RCPT TO:<b@example.net>", "250 Ok")
	}
	busy.ask("DATA", "354 End data with <CR><LF>.<CR><LF>")
	chunks.ask("BDAT 3\r\nx", "250 Ok")

	down := make(chan error, 1)
	go func() { down <- r.Shutdown(context.Background()) }()
	for _, c := range []*client{idle, secure} {
		c.want(closing)
		if got := c.line(); got != "EOF" {
			t.Errorf("after 421: %s", got)
		}
	}
	if conn, err := net.Dial("tcp", r.starttls); err == nil {
		_ = conn.Close()
		t.Error("still listening")
	}
	busy.send("x\r\n.\r\n")
	chunks.send("BDAT 0 LAST\r\n")
	for _, c := range []*client{busy, chunks} {
		if got := c.reply(); !strings.HasPrefix(got, "250 Ok ") {
			t.Errorf("a message under way: %q", got)
		}
		c.want(closing)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if n := len(r.desk.messages()); n != 2 {
		t.Errorf("%d messages", n)
	}
}

func TestShutdownCutsAtItsDeadline(t *testing.T) {
	r := start(t, trusted)
	c := dial(t, r.starttls)
	c.hello()
	c.ask("MAIL FROM:<a@example.org>", "250 Ok")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if got := c.line(); got != "EOF" {
		t.Errorf("the client reads %s", got)
	}
}

func TestShutdownCancelsWhatASubmissionWaitsFor(t *testing.T) {
	waiting := make(chan struct{})
	r := start(t, func(o *smtpd.Options) {
		trusted(o)
		o.Desk = &patient{desk: o.Desk.(*desk), waiting: waiting}
	})
	c := dial(t, r.starttls)
	c.hello()
	c.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\n")
	<-waiting
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestServeEndsWithItsContextAndGrace(t *testing.T) {
	r := start(t, func(o *smtpd.Options) {
		trusted(o)
		o.Limits.Grace = 50 * time.Millisecond
	})
	c := dial(t, r.starttls)
	c.hello()
	c.ask("MAIL FROM:<a@example.org>", "250 Ok")
	r.stop(t)
}

func TestServeEndsWhenAListenerFails(t *testing.T) {
	l := failing{}
	s, err := smtpd.New(smtpd.Options{Hostname: "mx.example.org", Auth: users{}, Desk: newDesk(t), Starttls: []net.Listener{l}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(context.Background()); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("Serve: %v", err)
	}
}

// failing is a listener that can not accept.
type failing struct{}

func (failing) Accept() (net.Conn, error) { return nil, errors.New("out of order") }
func (failing) Close() error              { return nil }
func (failing) Addr() net.Addr            { return &net.TCPAddr{} }

// patient waits for the end of the context.
type patient struct {
	*desk
	waiting chan struct{}
}

func (p *patient) Submit(ctx context.Context, _ *submission.Request) (id mailID, err error) {
	close(p.waiting)
	<-ctx.Done()
	return id, ctx.Err()
}
