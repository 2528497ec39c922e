package smtpc_test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

func TestExtensionsAreReadWithoutRegardToCase(t *testing.T) {
	mx := host(t, testmx.Options{Keywords: []string{"Pipelining", "chunking", "8bitMIME", "size 1000", "auth=plain", "auth Plain login", "XCLIENT NAME", "", "STARTTLSX"}})
	x := ready(t, mx, smtpc.Options{}).Extensions()
	if !x.ESMTP || !x.Pipelining || !x.Chunking || !x.EightBitMIME || !x.Size || x.MaxSize != 1000 || strings.Join(x.Auth, " ") != "PLAIN LOGIN" || x.StartTLS {
		t.Errorf("extensions %+v", x)
	}
}

// TestHostileBeginnings attacks each stage before the first message.
func TestHostileBeginnings(t *testing.T) {
	stages := []testmx.Stage{testmx.Connect, testmx.Hello, testmx.StartTLS, testmx.Handshake}
	actions := map[string]struct {
		do     testmx.Action
		remote bool
	}{
		"4xx":      {testmx.Action{Text: "450 4.3.2 Later"}, true},
		"5xx":      {testmx.Action{Text: "554 5.7.1 Never"}, true},
		"421":      {testmx.Action{Text: "421 4.3.2 Busy"}, true},
		"drop":     {testmx.Action{Do: testmx.Drop}, false},
		"reset":    {testmx.Action{Do: testmx.Abort}, false},
		"hang":     {testmx.Action{Do: testmx.Hang}, false},
		"drip":     {testmx.Action{Do: testmx.Drip}, false},
		"endless":  {testmx.Action{Do: testmx.Endless}, false},
		"garbage":  {testmx.Action{Do: testmx.Raw, Text: "\x16\x03\x01\x00\x05hello\r\n"}, false},
		"NULs":     {testmx.Action{Do: testmx.Raw, Text: strings.Repeat("\x00", 100) + "\r\n"}, false},
		"one line": {testmx.Action{Do: testmx.Raw, Text: "220 " + strings.Repeat("x", 100_000)}, false},
	}
	for _, stage := range stages {
		for name, tc := range actions {
			if stage == testmx.Handshake && tc.remote {
				continue
			}
			t.Run(stage.String()+"/"+name, func(t *testing.T) {
				mx := host(t, testmx.Options{StartTLS: true, Script: testmx.On(stage, tc.do)})
				conn, err := net.Dial("tcp", mx.Addr().String())
				if err != nil {
					return // the reset came before the connection was ours
				}
				c := smtpc.New(conn, smtpc.Options{Hostname: "mta.example.com", Timeouts: short})
				defer c.Close()
				start := time.Now()
				err = c.Greet(t.Context())
				if stage > testmx.Connect && err == nil {
					err = c.Hello(t.Context())
				}
				if stage > testmx.Hello && err == nil {
					err = c.StartTLS(t.Context(), &tls.Config{InsecureSkipVerify: true})
				}
				var failed *smtpc.Error
				var reply *mail.Reply
				if !errors.As(err, &failed) || !errors.As(err, &reply) || failed.Remote != tc.remote {
					t.Fatalf("error %v", err)
				}
				if !tc.remote && !reply.Temporary() {
					t.Errorf("what the host did not say is permanent: %v", err)
				}
				// Only a host that refuses STARTTLS can be talked to further.
				if goesOn := stage == testmx.StartTLS && tc.remote && name != "421"; c.Usable() != goesOn {
					t.Errorf("usable %v", c.Usable())
				}
				// What came too early for the handshake came in clear text.
				if stage == testmx.Handshake && !errors.Is(err, smtpc.ErrHandshake) && !errors.Is(err, smtpc.ErrInjected) {
					t.Errorf("not a failed handshake: %v", err)
				}
				if d := time.Since(start); d > 3*time.Second {
					t.Errorf("took %v", d)
				}
			})
		}
	}
}

func TestClearTextAfterSTARTTLSIsRefused(t *testing.T) {
	mx := host(t, testmx.Options{StartTLS: true, Script: testmx.On(testmx.StartTLS, testmx.Action{
		Do: testmx.Raw, Text: "220 Go ahead\r\n250-mx\r\n250 AUTH PLAIN\r\n",
	})})
	c := ready(t, mx, smtpc.Options{})
	err := c.StartTLS(t.Context(), &tls.Config{InsecureSkipVerify: true})
	if !errors.Is(err, smtpc.ErrInjected) || c.Usable() {
		t.Errorf("error %v, usable %v", err, c.Usable())
	}
}

func TestPasswords(t *testing.T) {
	users := map[string]string{"ann": "s3cret"}
	for name, tc := range map[string]struct {
		keywords []string
		tls      bool
		inClear  bool
		password string
		want     string // empty: welcome
	}{
		"PLAIN":              {[]string{}, true, false, "s3cret", ""},
		"LOGIN":              {nil, true, false, "s3cret", ""},
		"wrong":              {[]string{}, true, false, "guess", "535 5.7.8"},
		"never in the clear": {[]string{}, false, false, "s3cret", "454 4.7.0"},
		"in the clear":       {[]string{}, false, true, "s3cret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := testmx.Options{Users: users, Keywords: tc.keywords, ImplicitTLS: tc.tls}
			if name == "LOGIN" {
				// The last line of the two is what counts.
				o.Script = testmx.On(testmx.Hello, testmx.Action{Text: "250-mx\n250 AUTH LOGIN"})
			}
			mx := host(t, o)
			c := connectTLS(t, mx, tc.tls, smtpc.Options{AuthInClear: tc.inClear})
			if err := c.Greet(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := c.Hello(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := c.Auth(t.Context(), "ann", tc.password)
			if tc.want != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tc.want) || c.Usable() {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Send(t.Context(), message(t, "hi\r\n"))
			if got := mx.Messages(); len(got) != 1 || got[0].User != "ann" {
				t.Errorf("messages %+v", got)
			}
		})
	}
}

func connectTLS(t *testing.T, mx *testmx.Server, secure bool, o smtpc.Options) *smtpc.Client {
	t.Helper()
	if !secure {
		return connect(t, mx.Addr().String(), o)
	}
	conn, err := tls.Dial("tcp", mx.Addr().String(), &tls.Config{ServerName: "mx.example.org", RootCAs: mx.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	o.Hostname = "mta.example.com"
	c := smtpc.New(conn, o)
	t.Cleanup(c.Close)
	return c
}
