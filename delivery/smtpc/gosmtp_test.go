package smtpc_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// backend is a server that nobody here wrote.
type backend struct {
	mu  sync.Mutex
	got []string
}

func (b *backend) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{b: b}, nil }

type session struct {
	b  *backend
	to []string
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Reset()                               { s.to = nil }
func (s *session) Logout() error                        { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "no") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.got = append(s.b.got, strings.Join(s.to, ",")+"\n"+string(data))
	return nil
}

func TestAServerThatNobodyHereWroteUnderstandsUs(t *testing.T) {
	certificate := host(t, testmx.Options{StartTLS: true}) // lends its certificate
	for _, noChunking := range []bool{false, true} {
		b := &backend{}
		srv := smtp.NewServer(b)
		srv.Domain, srv.MaxMessageBytes, srv.ReadTimeout = "mx.example.org", 10<<20, 10*time.Second
		srv.TLSConfig = certificate.TLSConfig()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		c := connect(t, l.Addr().String(), smtpc.Options{NoChunking: noChunking, Timeouts: smtpc.Timeouts{Done: 10 * time.Second}})
		if err := c.Greet(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Hello(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.StartTLS(t.Context(), &tls.Config{ServerName: "mx.example.org", RootCAs: certificate.Roots()}); err != nil {
			t.Fatal(err)
		}
		if err := c.Hello(t.Context()); err != nil {
			t.Fatal(err)
		}
		bodies := []string{"hi\r\n", ".\r\n..\r\n", strings.Repeat("0123456789\r\n.x\r\n", 150_000)}
		for _, body := range bodies {
			answers := c.Send(t.Context(), message(t, body, "a@example.org", "no@example.org", "b@example.org"))
			if got := verdicts(answers); got[0] != smtpc.Accepted || got[1] != smtpc.Settled || got[2] != smtpc.Accepted {
				t.Errorf("answers %+v", answers)
			}
			if r := answers[1].Reply; r.String() != "550 5.1.1 No such user" {
				t.Errorf("reply %v", r)
			}
			// Nobody left: the transaction must not spoil the next.
			if got := verdicts(c.Send(t.Context(), message(t, body, "no@example.org"))); got[0] != smtpc.Settled || !c.Usable() {
				t.Fatalf("verdicts %v, usable %v", got, c.Usable())
			}
		}
		c.Quit(t.Context())
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
		for i, body := range bodies {
			if len(b.got) <= i || b.got[i] != "a@example.org,b@example.org\n"+header+body {
				t.Errorf("message %d did not arrive as it was sent", i)
			}
		}
	}
}
