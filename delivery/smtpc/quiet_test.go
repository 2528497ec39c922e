package smtpc_test

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// babbler is a host that takes the first message and refuses the second. Rcpt
// and first are what it says to the first RCPT and to the first message, where
// nothing is said at all if first is empty. What is sent to more comes in a write
// of its own, after first.
type babbler struct {
	keywords    string
	mail        string // what it says to MAIL, if not the usual
	rcpt, first string
	leaves      bool // after that, at once
	tls         *tls.Config
	more        chan string
	said        chan struct{}
}

// serve speaks on one connection.
func (b *babbler) serve(c net.Conn) {
	defer c.Close()
	r, w := bufio.NewReader(c), bufio.NewWriter(c)
	say := func(s string) { _, _ = w.WriteString(s + "\r\n") }
	say("220 mx.example.org")
	messages, rcpts := 0, 0
	end := func() {
		if messages++; messages > 1 {
			say("554 5.7.1 Not this one")
			return
		}
		if b.first != "" {
			say(b.first)
		}
		_ = w.Flush()
		if b.leaves {
			_ = c.Close()
		}
		for s := range b.more {
			_, _ = w.WriteString(s)
			_ = w.Flush()
			b.said <- struct{}{}
		}
	}
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, arg, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "EHLO":
			say("250-mx.example.org" + b.keywords + "\r\n250 8BITMIME")
		case "STARTTLS":
			say("220 Go")
			_ = w.Flush()
			c = tls.Server(c, b.tls)
			r, w = bufio.NewReader(c), bufio.NewWriter(c)
		case "MAIL":
			say(cmp.Or(b.mail, "250 2.1.0 Ok"))
		case "RCPT":
			if rcpts++; rcpts > 1 {
				say("250 2.1.5 Ok")
			} else {
				say(b.rcpt)
			}
		case "DATA":
			say("354 Go")
			_ = w.Flush()
			for line != ".\r\n" && err == nil {
				line, err = r.ReadString('\n')
			}
			end()
		case "BDAT":
			size, _, _ := strings.Cut(arg, " ")
			n, _ := strconv.ParseInt(size, 10, 64)
			_, _ = io.CopyN(io.Discard, r, n)
			end()
		default:
			say("250 2.0.0 Ok")
		}
	}
}

// meet gives a client that has said EHLO to b, in TLS if b has it.
func (b *babbler) meet(t *testing.T) *smtpc.Client {
	t.Helper()
	b.more, b.said = make(chan string), make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			b.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	c := connect(t, l.Addr().String(), smtpc.Options{Timeouts: smtpc.Timeouts{Done: short.Done * 8}})
	if err := c.Greet(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.tls != nil {
		if err := c.StartTLS(t.Context(), &tls.Config{InsecureSkipVerify: true}); err != nil {
			t.Fatal(err)
		}
		if err := c.Hello(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// A reply that comes late must not answer for the next message, least of all a
// 250 that moves the reply to RCPT to where that to BDAT is expected.
func TestAStaleReplyNeverAnswersForTheNextMessage(t *testing.T) {
	certificate := host(t, testmx.Options{StartTLS: true}).TLSConfig()
	for name, keywords := range map[string]string{
		"BDAT": "\r\n250-PIPELINING\r\n250-CHUNKING", "DATA": "\r\n250-PIPELINING", "in turn": "", "BDAT in turn": "\r\n250-CHUNKING",
	} {
		for _, config := range []*tls.Config{nil, certificate} {
			for what, stale := range map[string][]string{
				"a 250": {"250 Ok\r\n"}, "a 550": {"550 5.1.1 No\r\n"}, "half a reply": {"250-Ok\r\n250"},
				"two": {"250 Ok\r\n", "250 Ok\r\n"}, "a 421": {"421 4.4.2 Idle\r\n"},
			} {
				way := "clear"
				if config != nil {
					way = "TLS"
				}
				t.Run(name+"/"+way+"/"+what, func(t *testing.T) {
					t.Parallel()
					b := &babbler{keywords: keywords, rcpt: "250 2.1.5 Ok", first: "250 2.0.0 Ok", tls: config}
					c := b.meet(t)
					if a := c.Send(t.Context(), message(t, "one\r\n"))[0]; a.Verdict != smtpc.Accepted {
						t.Fatalf("the first: %+v", a)
					}
					for _, s := range stale {
						b.more <- s
						<-b.said
					}
					close(b.more)
					for n, a := range c.Send(t.Context(), message(t, "two\r\n", "x@example.org", "y@example.org")) {
						if a.Verdict != smtpc.Elsewhere || a.Remote {
							t.Errorf("recipient %d: %+v", n, a)
						}
					}
					if c.Usable() || !c.Stale() {
						t.Errorf("usable %v, stale %v", c.Usable(), c.Stale())
					}
				})
			}
		}
	}
}

// With BDAT in the group nothing tells the replies apart but their number, and
// their status if they have one.
func TestAReplyTooManyLeavesTheMessageUncertain(t *testing.T) {
	certificate := host(t, testmx.Options{StartTLS: true}).TLSConfig()
	for name, b := range map[string]babbler{
		"and all come at once":            {rcpt: "250 Ok\r\n250 Ok", first: "552 5.3.4 Too much"},
		"in TLS":                          {rcpt: "250 Ok\r\n250 Ok", first: "552 5.3.4 Too much", tls: certificate},
		"and the true one is yet to come": {rcpt: "250 2.1.5 Ok\r\n250 2.1.5 Ok"},
	} {
		t.Run(name, func(t *testing.T) {
			b.keywords = "\r\n250-PIPELINING\r\n250-CHUNKING"
			c := b.meet(t)
			close(b.more)
			if a := c.Send(t.Context(), message(t, "one\r\n"))[0]; a.Verdict != smtpc.Lost || c.Usable() {
				t.Errorf("answer %+v, usable %v", a, c.Usable())
			}
		})
	}
}

// A host that answers twice moves a refusal to the next recipient. The reply to
// DATA shows it; nobody may be told a refusal that was another's.
func TestARefusalOutOfStepSettlesNothing(t *testing.T) {
	for name, keywords := range map[string]string{"in a group": "\r\n250-PIPELINING", "in turn": ""} {
		t.Run(name, func(t *testing.T) {
			b := &babbler{keywords: keywords, mail: "250 2.1.0 Ok\r\n250 2.1.0 Ok", rcpt: "550 5.1.1 No", first: "250 Ok"}
			c := b.meet(t)
			close(b.more)
			for n, a := range c.Send(t.Context(), message(t, "one\r\n", "x@example.org", "y@example.org")) {
				if a.Verdict != smtpc.Elsewhere || a.Remote {
					t.Errorf("recipient %d: %+v", n, a)
				}
			}
		})
	}
}

func TestAHostMayLeaveWithItsLastWord(t *testing.T) {
	certificate := host(t, testmx.Options{StartTLS: true}).TLSConfig()
	for way, config := range map[string]*tls.Config{"clear": nil, "TLS": certificate} {
		t.Run(way, func(t *testing.T) {
			b := &babbler{keywords: "\r\n250-PIPELINING\r\n250-CHUNKING", rcpt: "250 2.1.5 Ok", first: "250 2.0.0 Ok", leaves: true, tls: config}
			c := b.meet(t)
			close(b.more)
			if a := c.Send(t.Context(), message(t, "one\r\n"))[0]; a.Verdict != smtpc.Accepted {
				t.Errorf("the first: %+v", a)
			}
			if a := c.Send(t.Context(), message(t, "two\r\n"))[0]; a.Verdict != smtpc.Elsewhere || !c.Stale() {
				t.Errorf("the second: %+v, stale %v", a, c.Stale())
			}
		})
	}
}
