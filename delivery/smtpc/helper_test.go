package smtpc_test

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

// short is what hostile hosts get.
var short = smtpc.Timeouts{
	Greeting: 250 * time.Millisecond, Hello: 250 * time.Millisecond, TLS: 250 * time.Millisecond,
	Mail: 250 * time.Millisecond, Rcpt: 250 * time.Millisecond, Data: 250 * time.Millisecond,
	Block: 250 * time.Millisecond, Done: 250 * time.Millisecond, Quit: 250 * time.Millisecond,
}

func host(t testing.TB, o testmx.Options) *testmx.Server {
	t.Helper()
	s, err := testmx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// connect gives a client that has not yet been greeted.
func connect(t testing.TB, addr string, o smtpc.Options) *smtpc.Client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if o.Hostname == "" {
		o.Hostname = "mta.example.com"
	}
	c := smtpc.New(conn, o)
	t.Cleanup(c.Close)
	return c
}

// ready gives a client that can send.
func ready(t testing.TB, s *testmx.Server, o smtpc.Options) *smtpc.Client {
	t.Helper()
	c := connect(t, s.Addr().String(), o)
	if err := c.Greet(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

const header = "From: ann@example.com\r\nSubject: hello\r\n\r\n"

func message(t testing.TB, body string, rcpts ...string) *smtpc.Message {
	t.Helper()
	from, err := mail.ParseReversePath("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if len(rcpts) == 0 {
		rcpts = []string{"bob@example.org"}
	}
	// The body lies behind a header section that is not sent.
	const old = "Old: y\r\n\r\n"
	m := &smtpc.Message{
		From: from, Header: []byte(header),
		Body: bytes.NewReader([]byte(old + body)), BodyAt: int64(len(old)), Size: int64(len(old) + len(body)),
	}
	for _, r := range rcpts {
		p, err := mail.ParseForwardPath(r)
		if err != nil {
			t.Fatal(err)
		}
		m.To = append(m.To, p)
	}
	return m
}

// verdicts gives the verdicts alone.
func verdicts(answers []smtpc.Answer) []smtpc.Verdict {
	var list []smtpc.Verdict
	for _, a := range answers {
		list = append(list, a.Verdict)
	}
	return list
}
