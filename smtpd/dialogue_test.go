package smtpd_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

// TestDialogues plays the files in testdata/smtp. Each has a section "dialogue"
// of lines
//
//	C: text       the client sends text and CRLF
//	C* "octets"   it sends the octets of a Go string, without CRLF
//	C* "x" 1000   a thousand times
//	S: text       the server's next line is text; {id} is the id of the next message
//	S~ pattern    it matches a regular expression
//	GREET         the greeting, and EHLO with its reply
//	TLS           a handshake
//	LOGIN         STARTTLS, EHLO and AUTH as "user"
//	CLOSE         the client closes
//	EOF           the server has closed
//
// a section "accepted" with a line for each message that the desk got, in order,
// and, where needed, a section "setup".
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("../testdata/smtp/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, archive)
		})
	}
}

func play(t *testing.T, archive *txtar.Archive) {
	sections := make(map[string]string)
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	implicit := false
	r := start(t, func(o *smtpd.Options) {
		o.Limits.IdleTimeoutStrict = time.Minute
		for line := range strings.Lines(sections["setup"]) {
			if strings.TrimSpace(line) == "implicit" {
				implicit = true
			} else if err := setup(o, strings.TrimSpace(line)); err != nil {
				t.Fatal(err)
			}
		}
	})
	addr := r.starttls
	if implicit {
		addr = r.implicit
	}
	c := dial(t, addr)
	if implicit {
		c.startTLS()
	}
	ids := 0
	n := 0
	for line := range strings.Lines(sections["dialogue"]) {
		n++
		line = strings.TrimRight(line, "\n")
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "", "#":
		case "C:":
			c.send(rest + "\r\n")
		case "C*":
			c.send(octets(t, rest))
		case "S:":
			got := c.line()
			if strings.Contains(rest, "{id}") {
				rest = strings.ReplaceAll(rest, "{id}", r.desk.id(ids))
				ids++
			}
			if got != rest {
				t.Fatalf("line %d: got %q, want %q", n, got, rest)
			}
		case "S~":
			if got := c.line(); !regexp.MustCompile("^" + rest + "$").MatchString(got) {
				t.Fatalf("line %d: got %q, want a match of %s", n, got, rest)
			}
		case "GREET":
			c.reply()
			c.send("EHLO client.example.org\r\n")
			c.reply()
		case "TLS":
			c.startTLS()
		case "LOGIN":
			c.send("STARTTLS\r\n")
			c.want("220 Ready to start TLS")
			c.startTLS()
			c.send("EHLO client.example.org\r\n")
			c.reply()
			c.ask("AUTH PLAIN AHVzZXIAc2VjcmV0", "235 Authentication successful.")
		case "CLOSE":
			_ = c.conn.Close()
		case "EOF":
			if got := c.line(); got != "EOF" {
				t.Fatalf("line %d: got %q, want the end", n, got)
			}
		default:
			t.Fatalf("line %d: what is %q", n, line)
		}
	}
	_ = c.conn.Close()
	r.stop(t)
	var b strings.Builder
	for _, m := range r.desk.messages() {
		if m.Principal == nil {
			b.WriteString("stranger ")
		}
		fmt.Fprintf(&b, "%s %s", m.Origin.Protocol, m.From.Path())
		for _, to := range m.To {
			fmt.Fprintf(&b, " %s", to.Path())
		}
		body := strconv.Quote(m.Body)
		if len(m.Body) > 200 {
			body = fmt.Sprintf("%d octets", len(m.Body))
		}
		fmt.Fprintf(&b, " %s\n", body)
	}
	if got, want := b.String(), sections["accepted"]; got != want {
		t.Errorf("accepted:\n%swant:\n%s", got, want)
	}
}

// stop ends the server and waits for its sessions.
func (r *running) stop(t testing.TB) {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Serve did not end")
	}
}

// octets reads a quoted string and how often it is to be sent.
func octets(t *testing.T, s string) string {
	t.Helper()
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatal(err)
	}
	times := 1
	if rest := strings.TrimSpace(s[len(quoted):]); rest != "" {
		if times, err = strconv.Atoi(rest); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Repeat(text, times)
}

// setup applies one line of a setup section.
func setup(o *smtpd.Options, line string) error {
	key, value, _ := strings.Cut(line, " ")
	d := o.Desk.(*desk)
	number, _ := strconv.Atoi(value)
	switch key {
	case "":
	case "strict":
		o.Strict = true
		o.TrustedPrincipal.Strict = true
	case "trusted":
		trusted(o)
	case "feedback":
		o.Feedback, o.Starttls, o.Inbound = o.Starttls, nil, &inbound{desk: d}
	case "stranger_messages":
		o.Limits.StrangerMessages = number
	case "no-tls":
		o.TLS, o.ImplicitTLS = nil, nil
	case "message_bytes":
		o.Limits.MessageBytes = int64(number)
	case "recipients":
		o.Limits.Recipients = number
	case "messages":
		o.Limits.MessagesPerConnection = number
	case "errors":
		o.Limits.Errors = number
	case "junk":
		o.Limits.Junk = number
	case "auth_failures":
		o.Limits.AuthFailures = number
	case "idle":
		o.Limits.IdleTimeout = time.Duration(number) * time.Millisecond
		o.Limits.IdleTimeoutUnknown = o.Limits.IdleTimeout
		o.Limits.IdleTimeoutStrict = o.Limits.IdleTimeout
	case "data_timeout":
		o.Limits.DataTimeout = time.Duration(number) * time.Millisecond
	case "room":
		d.room = mail.Refuse(452, 3, 1, value)
	case "refuse":
		d.after = func(*submission.Request) error { return mail.Recorded(554, 7, 1, value) }
	case "refuse-early":
		d.submit = func(*submission.Request) error { return mail.Recorded(554, 7, 1, value) }
	case "trouble":
		d.after = func(*submission.Request) error { return errors.New("write /var/spool: disk on fire") }
	case "unread":
		d.unread = true
	case "panic":
		d.after = func(*submission.Request) error { panic(value) }
	default:
		return fmt.Errorf("setup: what is %q", line)
	}
	return nil
}

// settings makes a change of options from lines of a setup section.
func settings(lines ...string) func(*smtpd.Options) {
	return func(o *smtpd.Options) {
		for _, l := range lines {
			if err := setup(o, l); err != nil {
				panic(err)
			}
		}
	}
}
