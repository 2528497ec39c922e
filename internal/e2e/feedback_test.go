//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/smtp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/testmx"
)

// submit sends a message as a client and gives its id.
func submit(t *testing.T, s *sesame, from, to, subject string) string {
	t.Helper()
	c, err := smtp.Dial(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := "From: " + from + "\r\nTo: " + to + "\r\nSubject: " + subject + "\r\n\r\nhi\r\n"
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", s.door.user, s.door.password, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(from); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(to); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Text.Cmd("DATA"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Text.ReadResponse(354); err != nil {
		t.Fatal(err)
	}
	w := c.Text.DotWriter()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, reply, err := c.Text.ReadResponse(250)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(reply, "Ok ")
}

// A Postfix takes a message, finds out behind that there is no such user, and sends
// its DSN to our reverse-path. The sender hears of it with the words of the host
// behind.
func TestPostfixAcceptsAndBouncesLater(t *testing.T) {
	behind, err := testmx.New(testmx.Options{Script: testmx.On(testmx.Rcpt, testmx.Action{Text: "550 5.1.1 Nobody of that name in here"})})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	port := freePort(t)
	mx := receivingPostfix(t, fmt.Sprintf(`
transport_maps = inline:{ {later@example.net=smtp:[127.0.0.1]:%d}, {return.example.com=smtp:[127.0.0.1]:%s} }`, behind.Addr().Port(), port))
	s := newSesame(t, settings{port: portOf(t, mx.Addr), feedback: port})
	s.verify("example.com")
	id := submit(t, s, "sender@example.com", "later@example.net", "too late")
	dsn := arrivalOf(t, mx, "of type multipart/report", func(b []byte) bool { return bytes.Contains(b, []byte("multipart/report")) })
	for _, want := range []string{"From: MAILER-DAEMON@return.example.com", "To: sender@example.com", "Final-Recipient: rfc822; later@example.net",
		"Status: 5.1.1", "Nobody of that name in here", "Subject: too late"} {
		if !bytes.Contains(dsn, []byte(want)) {
			t.Errorf("the bounce mail has no %q:\n%s", want, dsn)
		}
	}
	out, err := s.command("trace", id, "--json")
	if err != nil || !bytes.Contains(out, []byte("Nobody of that name in here")) {
		t.Errorf("the trace does not know of it: %v\n%s", err, out)
	}
	out, err = s.command("suppression", "get", "later@example.net", "--account", "default", "--json")
	if err != nil || !bytes.Contains(out, []byte("BOUNCE")) {
		t.Errorf("not suppressed: %v %s", err, out)
	}
}

// The server is killed at random moments while a host tells of bounces. The host
// sends again what was not confirmed; in the end each bounce is told once, with its
// place on the list and its mail.
func TestKillLosesNoFeedback(t *testing.T) {
	mx, err := testmx.New(testmx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mx.Close()
	dir := filepath.Join(t.TempDir(), "events")
	s := newSesame(t, settings{port: fmt.Sprint(mx.Addr().Port()), feedback: freePort(t),
		delivery: "[events]\nfile_dir = " + strconv.Quote(dir)})
	s.verify("example.com")
	s.run(nil, "configset", "create", "main")
	s.run(nil, "identity", "set", "example.com", "--configuration-set", "main")
	s.run(nil, "destination", "create", "--configuration-set", "main", "--name", "log", "--file", "e.jsonl", "--events", "bounce")
	const each = 20
	var all []string
	for round := range min(kills(t), 10) {
		var ids []string
		for i := range each {
			ids = append(ids, submit(t, s, "sender@example.com", fmt.Sprintf("r%d-%d@example.net", round, i), "x"))
		}
		time.AfterFunc(time.Duration(rand.IntN(each*4))*time.Millisecond, s.process.Kill)
		var left []int
		for i, id := range ids {
			if giveBack(s, id, fmt.Sprintf("r%d-%d@example.net", round, i)) != nil {
				left = append(left, i)
			}
		}
		<-s.process.Done
		s.start()
		for _, i := range left {
			if err := giveBack(s, ids[i], fmt.Sprintf("r%d-%d@example.net", round, i)); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, ids...)
	}
	var told map[string]int
	for deadline := time.Now().Add(60 * time.Second); ; tick(t, 200*time.Millisecond) {
		told = bouncesIn(t, filepath.Join(dir, "e.jsonl"))
		if len(told) == len(all) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d bounces were told", len(told), len(all))
		}
	}
	mailed := make(map[string]bool)
	for deadline := time.Now().Add(60 * time.Second); len(mailed) < len(all); tick(t, 200*time.Millisecond) {
		for _, m := range mx.Messages() {
			if m.From != "" {
				continue
			}
			_, after, _ := bytes.Cut(m.Data, []byte("Final-Recipient: rfc822; "))
			rcpt, _, _ := bytes.Cut(after, []byte("\r\n"))
			mailed[string(rcpt)] = true
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d bounces were mailed", len(mailed), len(all))
		}
	}
	s.process.Stop(25 * time.Second)
	if _, err := s.command("check", "--data-dir", s.data); err != nil {
		t.Errorf("invariants: %v", err)
	}
}

// giveBack sends a DSN about a message, as its host does.
func giveBack(s *sesame, id, to string) error {
	c, err := smtp.Dial(s.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail(""); err != nil {
		return err
	}
	if err := c.Rcpt(id + "@return.example.com"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	text := "From: MAILER-DAEMON@mx.example.net\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n" +
		"Final-Recipient: rfc822; " + to + "\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close()
}

// bouncesIn counts the bounces of each message in a file of events, each event once:
// a destination may be told twice, under the same number.
func bouncesIn(t *testing.T, name string) map[string]int {
	t.Helper()
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	count, seen := make(map[string]int), make(map[uint64]bool)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			EventType string
			Sequence  uint64
			Mail      struct{ MessageID string }
		}
		if json.Unmarshal(lines.Bytes(), &e) != nil || seen[e.Sequence] {
			continue // a line that the kill has torn is told again
		}
		seen[e.Sequence] = true
		if count[e.Mail.MessageID]++; count[e.Mail.MessageID] > 1 {
			t.Errorf("%s of %s was told twice", e.EventType, e.Mail.MessageID)
		}
	}
	return count
}
