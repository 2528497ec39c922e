//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	netmail "net/mail"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// told gives the types of events by message id, with a complaint about each event
// that has not the subject of its message.
func (c *caller) told() (types map[string]map[string]bool) {
	types = make(map[string]map[string]bool)
	b, err := os.ReadFile(c.events)
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var e struct {
			EventType string
			Mail      struct {
				MessageID     string
				CommonHeaders struct{ Subject, MessageID string }
			}
		}
		if json.Unmarshal(s.Bytes(), &e) != nil {
			continue // the last line, which is being written
		}
		id := e.Mail.MessageID
		if types[id] == nil {
			types[id] = make(map[string]bool)
		}
		types[id][e.EventType] = true
		if want := c.sent[id]; want != e.Mail.CommonHeaders.Subject || id != e.Mail.CommonHeaders.MessageID {
			c.t.Errorf("event of %s with subject %q, want %q: %s", id, e.Mail.CommonHeaders.Subject, want, s.Bytes())
		}
	}
	return types
}

// check waits for the events of all that was sent, and looks at what arrived.
func (c *caller) check(mx *mta.Postfix, strict bool) (signed map[string][]byte) {
	c.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for done := false; !done; tick(c.t, 50*time.Millisecond) {
		done = true
		types := c.told()
		for id, subject := range c.sent {
			if !types[id]["Send"] || c.leaves[id] && !types[id]["Delivery"] || len(types[id]) < 2 {
				done = false
				if time.Now().After(deadline) {
					c.t.Fatalf("%s (%s) has events %v", subject, id, types[id])
				}
			}
		}
	}
	signed = make(map[string][]byte)
	mail, err := mx.Mail(c.t.Context(), 1)
	if err != nil {
		c.t.Fatal(err)
	}
	for id, subject := range c.sent {
		for _, b := range mail {
			if !bytes.Contains(b, []byte("\nSubject: "+subject+"\n")) {
				continue
			}
			if signed[subject] != nil {
				c.t.Errorf("%s arrived twice", subject)
			}
			signed[subject] = b
			m, err := netmail.ReadMessage(bytes.NewReader(b))
			if err != nil {
				c.t.Fatal(err)
			}
			local, _, _ := strings.Cut(strings.Trim(m.Header.Get("Message-ID"), "<>"), "@")
			if own := c.name == "node" && strings.Contains(subject, "nodemailer") && !strict; local != id && !own || local == id && own {
				c.t.Errorf("%s has Message-ID %s, want %s there", subject, m.Header.Get("Message-ID"), id)
			}
		}
		if (signed[subject] != nil) != c.leaves[id] {
			c.t.Errorf("%s arrived: %t, want the opposite", subject, signed[subject] != nil)
		}
	}
	return signed
}

// dkimChecks does what dkimCheck does for many messages.
const dkimChecks = `
import base64, dkim, json, sys
both = json.load(sys.stdin)
def txt(name, timeout=5):
    return both["records"][name.decode().rstrip(".")].encode()
for subject, text in both["mail"].items():
    d = dkim.DKIM(base64.b64decode(text))
    n = sum(1 for name, _ in d.headers if name.lower() == b"dkim-signature")
    if n != both["signatures"] or not all(d.verify(idx=i, dnsfunc=txt) for i in range(n)):
        print(subject, "has", n, "signatures, and not all hold")
`

// checkDKIM verifies the signatures of messages, of which each has so many.
func checkDKIM(t *testing.T, signatures int, records map[string]string, mail map[string][]byte) {
	t.Helper()
	if len(mail) == 0 {
		t.Error("no mail to look at")
	}
	text, err := json.Marshal(map[string]any{"signatures": signatures, "records": records, "mail": mail})
	if err != nil {
		t.Fatal(err)
	}
	if out := program(t, "", nil, text, "/usr/bin/python3", "-c", dkimChecks); out != "" {
		t.Error(out)
	}
}
