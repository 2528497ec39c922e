package smtpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/smtpd"
)

// pipe is one end of a net.Pipe with the address of a client.
type pipe struct {
	net.Conn
	remote net.Addr
}

func (p pipe) RemoteAddr() net.Addr { return p.remote }

// bubble runs a server on pipes inside a synctest bubble, and gives a function
// that connects from an address.
func bubble(t *testing.T, change func(*smtpd.Options), test func(d *desk, dial func(from string) *client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &scripts{make(chan net.Conn), make(chan struct{})}
		d := newDesk(t)
		o := smtpd.Options{Hostname: "mx.example.org", TLS: certificate(t), Auth: users{}, Desk: d, Starttls: []net.Listener{l}}
		if change != nil {
			change(&o)
		}
		s, err := smtpd.New(o)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Serve(context.Background()) }()
		test(d, func(from string) *client {
			ours, theirs := net.Pipe()
			l.conns <- pipe{theirs, net.TCPAddrFromAddrPort(mustAddrPort(from))}
			return &client{t, ours, bufio.NewReader(ours)}
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// hello reads the greeting and says EHLO.
func (c *client) hello() {
	c.t.Helper()
	c.reply()
	c.send("EHLO client.example.org\r\n")
	c.reply()
}

// drips sends s again and again, until the function that it gives is called.
func (c *client) drips(s string, every time.Duration) (stop func()) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if _, err := io.WriteString(c.conn, s); err != nil {
				return
			}
		}
	})
	return func() {
		close(done)
		_ = c.conn.Close()
		wg.Wait()
	}
}

func TestFailedAuthenticationsCostTime(t *testing.T) {
	bubble(t, nil, func(_ *desk, dial func(string) *client) {
		fails := func(from string, wants ...time.Duration) *client {
			c := dial(from)
			c.hello()
			c.ask("STARTTLS", "220 Ready to start TLS")
			c.startTLS()
			c.hello2()
			for i, want := range wants {
				before := time.Now()
				c.ask("AUTH PLAIN AHVzZXIAd3Jvbmc=", "535 Authentication Credentials Invalid")
				if got := time.Since(before); got != want {
					t.Errorf("%s: failure %d cost %v, want %v", from, i+1, got, want)
				}
			}
			return c
		}
		c := fails("[2001:db8::1]:1", 250*time.Millisecond, 500*time.Millisecond, time.Second)
		before := time.Now()
		c.ask("AUTH PLAIN AHVzZXIAc2VjcmV0", "235 Authentication successful.")
		if got := time.Since(before); got != 0 {
			t.Errorf("a correct login cost %v", got)
		}
		_ = c.conn.Close()
		// The same /64 pays on, another does not.
		_ = fails("[2001:db8::2]:1", 2*time.Second, 4*time.Second, 5*time.Second).conn.Close()
		_ = fails("[2001:db8:0:1::1]:1", 250*time.Millisecond).conn.Close()
		_ = fails("192.0.2.1:1", 250*time.Millisecond).conn.Close()
		_ = fails("[::ffff:192.0.2.1]:1", 500*time.Millisecond).conn.Close()
	})
}

func TestRepliesDoNotWaitForTheVerdictOnAPassword(t *testing.T) {
	bubble(t, nil, func(_ *desk, dial func(string) *client) {
		c := dial("192.0.2.1:1")
		c.hello()
		c.ask("STARTTLS", "220 Ready to start TLS")
		c.startTLS()
		c.hello2()
		before := time.Now()
		c.send("NOOP\r\nAUTH PLAIN AHVzZXIAd3Jvbmc=\r\n")
		c.want("250 Ok")
		if got := time.Since(before); got != 0 {
			t.Errorf("the reply before the verdict took %v", got)
		}
		c.want("535 Authentication Credentials Invalid")
		_ = c.conn.Close()
	})
}

func TestIdleTimesByWhoTheClientIs(t *testing.T) {
	tests := []struct {
		name  string
		setup []string
		login bool
		want  time.Duration
	}{
		{"a stranger has 30 seconds", nil, false, 30 * time.Second},
		{"a known client has five minutes", nil, true, 5 * time.Minute},
		{"the strict profile has ten seconds", []string{"strict"}, false, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(o *smtpd.Options) {
				if len(tt.setup) > 0 {
					o.Strict = true
				}
			}, func(_ *desk, dial func(string) *client) {
				c := dial("192.0.2.1:1")
				c.hello()
				if tt.login {
					c.ask("STARTTLS", "220 Ready to start TLS")
					c.startTLS()
					c.hello2()
					c.ask("AUTH PLAIN AHVzZXIAc2VjcmV0", "235 Authentication successful.")
				}
				before := time.Now()
				// Octets of a line that never ends give no more time.
				stop := c.drips("x", time.Second)
				defer stop()
				c.want("451 4.4.2 Timeout waiting for data from client.")
				if got := time.Since(before); got < tt.want || got > tt.want+time.Second {
					t.Errorf("cut off after %v", got)
				}
				_ = c.conn.Close()
			})
		})
	}
}

func TestAHandshakeThatStallsIsCutOff(t *testing.T) {
	bubble(t, func(o *smtpd.Options) { o.Limits.HandshakeTimeout = 7 * time.Second }, func(_ *desk, dial func(string) *client) {
		c := dial("192.0.2.1:1")
		c.hello()
		c.ask("STARTTLS", "220 Ready to start TLS")
		before := time.Now()
		if got := c.line(); got != "EOF" || time.Since(before) != 7*time.Second {
			t.Errorf("%s after %v", got, time.Since(before))
		}
	})
}

func TestContentThatDripsIsCutOff(t *testing.T) {
	bubble(t, drip, func(d *desk, dial func(string) *client) {
		c := dial("127.0.0.1:1")
		c.hello()
		c.ask("MAIL FROM:<a@example.org>", "250 Ok")
		c.ask("RCPT TO:<b@example.net>", "250 Ok")
		c.ask("DATA", "354 End data with <CR><LF>.<CR><LF>")
		before := time.Now()
		stop := c.drips("x\r\n", 30*time.Second)
		defer stop()
		c.want("451 4.4.2 Timeout waiting for data from client.")
		if got := time.Since(before); got > 4*time.Minute {
			t.Errorf("cut off after %v", got)
		}
		_ = c.conn.Close()
		if n := len(d.messages()); n != 0 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestContentThatKeepsTheRateMayTakeItsTime(t *testing.T) {
	bubble(t, drip, func(_ *desk, dial func(string) *client) {
		c := dial("127.0.0.1:1")
		c.hello()
		c.ask("MAIL FROM:<a@example.org>", "250 Ok")
		c.ask("RCPT TO:<b@example.net>", "250 Ok")
		c.ask("DATA", "354 End data with <CR><LF>.<CR><LF>")
		line := strings.Repeat("x", 510) + "\r\n"
		for range 600 { // ten minutes at 2,048 octets a second
			c.send(strings.Repeat(line, 4))
			<-time.After(time.Second)
		}
		c.send(".\r\n")
		if got := c.reply(); !strings.HasPrefix(got, "250 Ok ") {
			t.Errorf("got %q", got)
		}
		_ = c.conn.Close()
	})
}

func drip(o *smtpd.Options) {
	trusted(o)
	o.TrustedPrincipal = trustedPrincipal
}

func TestAClientThatReadsNothingIsCutOff(t *testing.T) {
	bubble(t, nil, func(_ *desk, dial func(string) *client) {
		c := dial("192.0.2.1:1")
		c.hello()
		before := time.Now()
		for i := 0; ; i++ { // a pipe holds nothing: the server blocks in its first reply
			if _, err := fmt.Fprintf(c.conn, "NOOP %d\r\n", i); err != nil {
				break
			}
		}
		if got := time.Since(before); got != time.Minute {
			t.Errorf("cut off after %v", got)
		}
	})
}
