package guard_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd/internal/guard"
)

// naive is the backend that a beginner writes: it reads nothing and is content.
type naive struct{ data func(*guard.Conn) error }

func (n naive) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return session{c.Conn().(*guard.Conn), n.data}, nil
}

type session struct {
	conn *guard.Conn
	data func(*guard.Conn) error
}

func (session) Reset()                               {}
func (session) Logout() error                        { return nil }
func (session) Mail(string, *smtp.MailOptions) error { return nil }
func (session) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s session) Data(io.Reader) error               { return s.data(s.conn) }

// one is a listener of one connection.
type one struct{ conns chan net.Conn }

func (l one) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l one) Close() error   { return nil }
func (l one) Addr() net.Addr { return &net.TCPAddr{} }

// talk plays a client to go-smtp behind the guard and gives all replies.
func talk(t *testing.T, data func(*guard.Conn) error, say string) string {
	t.Helper()
	ours, theirs := net.Pipe()
	cfg := guard.NewConfig("mx.example.org", nil, guard.Limits{
		MessageBytes: 1000, Recipients: 10, Messages: 10, Errors: 10, Junk: 10, LineOctets: 1000, MinRate: 1,
		Idle: time.Minute, DataTimeout: time.Minute, WriteTimeout: time.Minute,
	}, slog.New(slog.DiscardHandler))
	closed := make(chan struct{})
	conn := guard.New(theirs, netip.MustParseAddr("192.0.2.1"), guard.Kind{Trusted: true}, cfg, func() { close(closed) })
	l := one{make(chan net.Conn, 1)}
	l.conns <- conn
	close(l.conns)
	server := smtp.NewServer(naive{data})
	server.MaxLineLength = 0
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	go func() { _, _ = io.WriteString(ours, say) }()
	replies, _ := io.ReadAll(ours)
	<-closed
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	return string(replies)
}

func TestNo250ForLessThanTheWhole(t *testing.T) {
	const message = "EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n"
	tests := []struct {
		name string
		data func(*guard.Conn) error
		want string
	}{
		{"nothing read", func(c *guard.Conn) error {
			defer func() { _ = c.Content().Finish() }()
			c.Answer(mail.Recorded(250, 0, 0, "Ok, whatever"))
			return nil
		}, "451 Temporary service failure"},
		{"some read", func(c *guard.Conn) error {
			_, _ = c.Content().Read(make([]byte, 3))
			c.Answer(mail.Recorded(250, 0, 0, "Ok, whatever"))
			return c.Content().Finish()
		}, "451 Temporary service failure"},
		{"no answer given", func(c *guard.Conn) error {
			_, err := io.Copy(io.Discard, c.Content())
			return errors.Join(err, c.Content().Finish())
		}, "451 Temporary service failure"},
		{"all read", func(c *guard.Conn) error {
			_, err := io.Copy(io.Discard, c.Content())
			c.Answer(mail.Recorded(250, 0, 0, "Ok, thanks"))
			return errors.Join(err, c.Content().Finish())
		}, "250 Ok, thanks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			replies := strings.Split(talk(t, tt.data, message), "\r\n")
			if len(replies) < 3 || replies[len(replies)-3] != tt.want || replies[len(replies)-2] != "221 Bye" {
				t.Errorf("got %q", replies)
			}
		})
	}
}
