//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// dsnRead reads a DSN from standard input with Python's email package.
const dsnRead = `
import email, email.policy, json, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
parts = list(m.iter_parts())
status = parts[1].get_payload()
original = parts[2].get_payload()
if isinstance(original, list):
    original = original[0]
else:
    original = email.message_from_string(parts[2].get_content() if parts[2].get_content_type() == "text/rfc822-headers" else original)
print(json.dumps({
    "type": m.get_content_type(), "report": m.get_param("report-type"),
    "return_path": m["Return-Path"], "to": m["To"], "auto": m["Auto-Submitted"],
    "parts": [p.get_content_type() for p in parts],
    "text": parts[0].get_content(),
    "message": dict(status[0].items()), "recipients": [dict(s.items()) for s in status[1:] if s.items()],
    "subject": original["Subject"],
}))
`

// A recipient that the MX refuses comes back as a DSN that another library can
// read, with the words of the MX; the other recipient gets the message.
func TestDSN(t *testing.T) {
	mx := receivingPostfix(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr)})
	s.verify("example.com")
	text := strings.NewReplacer("recipient@example.net", "recipient@example.net,nobody@example.net", "Hello from swaks", "half of it fails").
		Replace(s.door.fill(recipe(t, "libraries.md", "swaks.sh", "")))
	need(t, "swaks")
	script(t, nil, "swaks.sh", text, "sh", "swaks.sh")
	arrival(t, mx, "half of it fails")

	dsn := arrivalOf(t, mx, "of type multipart/report", func(b []byte) bool { return bytes.Contains(b, []byte("multipart/report")) })
	out := program(t, "", nil, dsn, "/usr/bin/python3", "-c", dsnRead)
	var got struct {
		Type, Report, To, Auto, Text, Subject string
		ReturnPath                            string `json:"return_path"`
		Parts                                 []string
		Message                               map[string]string
		Recipients                            []map[string]string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	check := func(what, got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q in\n%s", what, got, want, dsn)
		}
	}
	check("type", got.Type, "multipart/report")
	check("report-type", got.Report, "delivery-status")
	check("reverse-path", got.ReturnPath, "<>")
	check("To", got.To, "sender@example.com")
	check("Auto-Submitted", got.Auto, "auto-replied")
	check("original subject", got.Subject, "half of it fails")
	check("Reporting-MTA", got.Message["Reporting-MTA"], "mail.example.com")
	if len(got.Recipients) != 1 {
		t.Fatalf("%d recipients, want one in\n%s", len(got.Recipients), dsn)
	}
	r := got.Recipients[0]
	check("Final-Recipient", r["Final-Recipient"], "nobody@example.net")
	check("Action", r["Action"], "failed")
	check("Status", r["Status"], "5.1.1")
	check("Diagnostic-Code", r["Diagnostic-Code"], "No such user here")
}
