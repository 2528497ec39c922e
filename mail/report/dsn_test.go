package report_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/mail/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func id(t testing.TB, text string) mail.ID {
	t.Helper()
	id, err := mail.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func to(t testing.TB, text string) mail.ForwardPath {
	t.Helper()
	p, err := mail.ParseForwardPath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// dsn gives one with a recipient that was refused and one that expired.
func dsn(t testing.TB) *report.DSN {
	t.Helper()
	at := time.Date(2025, 11, 6, 17, 6, 10, 0, time.UTC)
	return &report.DSN{
		ID:           id(t, "0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000"),
		Date:         at.Add(time.Hour),
		Domain:       "mail.example.com",
		ReportingMTA: "mx1.example.com",
		To:           to(t, "ann@example.com"),
		Failed:       id(t, "0100018b8375d148-b3a90120-37e5-4873-a60d-b64f70e677cb-000000"),
		Arrival:      at,
		MessageID:    "<1@example.com>",
		Header:       []byte("From: Ann <ann@example.com>\r\nSubject: a\r\n b\r\n\r\n"),
		Recipients: []report.Recipient{
			{
				To: to(t, "bob@example.net"), Host: "mx.example.net", Remote: true,
				Reply: mail.Reply{Code: 550, Status: mail.Status{Class: 5, Subject: 1, Detail: 1}, Text: "No such user\nTry another"},
			},
			{
				To:    to(t, `"c d"@example.org`),
				Reply: mail.Reply{Code: 550, Status: mail.Status{Class: 4, Subject: 4, Detail: 7}, Text: "Message expired: unable to deliver in 840 minutes.<421 4.4.1 Failed to establish connection>"},
			},
		},
	}
}

func TestTheWholeDSN(t *testing.T) {
	header, body := dsn(t).Compose()
	got := string(header) + string(body)
	golden := filepath.Join("testdata", "dsn.eml")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
	againHeader, againBody := dsn(t).Compose()
	if !bytes.Equal(header, againHeader) || !bytes.Equal(body, againBody) {
		t.Error("a second time gave other octets")
	}
}

// parse reads a DSN with the parsers of the standard library.
func parse(t testing.TB, header, body []byte) (fields netmail.Header, kinds []string, parts []string) {
	t.Helper()
	m, err := netmail.ReadMessage(io.MultiReader(bytes.NewReader(header), bytes.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("%s %v %v", kind, params, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, kinds, parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, p.Header.Get("Content-Type"))
		parts = append(parts, string(text))
	}
}

func TestProgramsReadTheReport(t *testing.T) {
	fields, kinds, parts := parse(t, first(dsn(t)), second(dsn(t)))
	for name, want := range map[string]string{
		"From": "MAILER-DAEMON@mail.example.com", "To": "ann@example.com",
		"Subject": "Delivery Status Notification (Failure)", "Auto-Submitted": "auto-replied",
		"Mime-Version": "1.0", "In-Reply-To": "<1@example.com>", "Date": "Thu, 6 Nov 2025 18:06:10 +0000",
	} {
		if got := fields.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	want := []string{"text/plain; charset=us-ascii", "message/delivery-status", "text/rfc822-headers"}
	if d := cmp.Diff(want, kinds); d != "" {
		t.Fatal(d)
	}
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(parts[1] + "\r\n")))
	var groups []textproto.MIMEHeader
	for {
		g, err := r.ReadMIMEHeader()
		if len(g) > 0 {
			groups = append(groups, g)
		}
		if err != nil {
			break
		}
	}
	if d := cmp.Diff([]textproto.MIMEHeader{
		{"Reporting-Mta": {"dns; mx1.example.com"}, "Arrival-Date": {"Thu, 6 Nov 2025 17:06:10 +0000"}},
		{
			"Final-Recipient": {"rfc822; bob@example.net"}, "Action": {"failed"}, "Status": {"5.1.1"},
			"Remote-Mta": {"dns; mx.example.net"}, "Diagnostic-Code": {"smtp; 550 5.1.1 No such user Try another"},
		},
		{
			"Final-Recipient": {`rfc822; "c d"@example.org`}, "Action": {"failed"}, "Status": {"4.4.7"},
			"Diagnostic-Code": {"smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.1 Failed to establish connection>"},
		},
	}, groups); d != "" {
		t.Error(d)
	}
	if parts[2] != "From: Ann <ann@example.com>\r\nSubject: a\r\n b\r\n" {
		t.Errorf("original: %q", parts[2])
	}
}

func first(d *report.DSN) []byte  { h, _ := d.Compose(); return h }
func second(d *report.DSN) []byte { _, b := d.Compose(); return b }

func TestTheWholeMessageComesBackOnlyAsPlainText(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		whole bool
	}{
		"text":          {"Hello\r\n\r\n--\r\nAnn\r\n", true},
		"empty":         {"", true},
		"8-bit":         {"caf\xc3\xa9\r\n", false},
		"NUL":           {"a\x00b\r\n", false},
		"bare LF":       {"a\nb\r\n", false},
		"bare CR":       {"a\rb\r\n", false},
		"CR at the end": {"a\r", false},
		"998 octets":    {strings.Repeat("x", 998) + "\r\n", true},
		"999 octets":    {strings.Repeat("x", 999) + "\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			d := dsn(t)
			d.Body = []byte(c.body)
			header, body := d.Compose()
			_, kinds, parts := parse(t, header, body)
			if whole := kinds[2] == "message/rfc822"; whole != c.whole {
				t.Fatalf("came back as %s", kinds[2])
			}
			if c.whole && parts[2] != string(d.Header)+c.body {
				t.Errorf("%q", parts[2])
			}
		})
	}
}

func TestTheStatusIsThatOfAFailure(t *testing.T) {
	for want, r := range map[string]mail.Reply{
		"5.7.1": {Code: 554, Status: mail.Status{Class: 5, Subject: 7, Detail: 1}},
		"5.0.0": {Code: 550},
		"4.0.0": {Code: 451},
	} {
		d := dsn(t)
		d.Recipients = []report.Recipient{{To: d.Recipients[0].To, Reply: r}}
		if body := string(second(d)); !strings.Contains(body, "\r\nStatus: "+want+"\r\n") {
			t.Errorf("no %s in %s", want, body)
		}
	}
	d := dsn(t)
	d.Recipients[0].Reply.Status = mail.Status{Class: 2, Subject: 1, Detail: 5}
	if body := string(second(d)); !strings.Contains(body, "\r\nStatus: 5.0.0\r\n") {
		t.Error("a failure has the status of a success")
	}
}

// hostile holds what a remote host or a sender may try.
var hostile = []string{
	"x\r\nStatus: 2.0.0\r\n\r\nFinal-Recipient: rfc822; eve@example.org",
	"x\n\nFinal-Recipient: rfc822; eve@example.org",
	"--=_018b8375d149b3a9012037e54873a60db64f70e677cb\n\n--=_018b8375d149b3a9012037e54873a60db64f70e677cb--",
	"caf\xc3\xa9 \xff\x00\x1b[2J\x7f",
	strings.Repeat("x", 5000), strings.Repeat("x ", 5000), strings.Repeat(" ", 5000) + "x",
	"<a@example.org>\r\nBcc: eve@example.org",
}

func TestNothingThatOthersWroteBreaksTheReport(t *testing.T) {
	for i, text := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) { attack(t, text, text, text, text, []byte(text)) })
	}
}

func attack(t *testing.T, reply, host, messageID, header string, body []byte) {
	t.Helper()
	d := dsn(t)
	d.Recipients[0].Reply.Text, d.Recipients[1].Reply.Text = reply, reply
	d.Recipients[0].Host, d.MessageID = host, messageID
	d.Header, d.Body = []byte("Subject: "+header+"\r\n\r\n"), body
	h, b := d.Compose()
	for line := range strings.SplitSeq(string(h)+string(b), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") {
			t.Errorf("a bad line: %.80q", line)
		}
		for i := range len(line) {
			if line[i] > 0x7f {
				t.Fatalf("not 7-bit: %.80q", line)
			}
		}
	}
	section, err := message.Scan(h)
	if err != nil || !section.Ended || section.Count("Bcc") != 0 || section.Count("To") != 1 {
		t.Fatalf("header section %q: %v", h, err)
	}
	_, kinds, parts := parse(t, h, b)
	if len(parts) != 3 || kinds[1] != "message/delivery-status" {
		t.Fatalf("%d parts: %q", len(parts), kinds)
	}
	groups := strings.Split(parts[1], "\r\n\r\n")
	if len(groups) != 3 {
		t.Fatalf("%d groups: %q", len(groups), parts[1])
	}
	for _, g := range groups {
		s, err := message.Scan([]byte(strings.TrimSuffix(g, "\r\n") + "\r\n"))
		if err != nil || s.Count("Final-Recipient") > 1 || s.Count("Status") > 1 {
			t.Errorf("group %q: %v", g, err)
		}
	}
}

func FuzzDSN(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, "mx.example.net", "<1@example.com>", text, []byte(text))
	}
	f.Fuzz(attack)
}

func TestPeopleReadWhatToDo(t *testing.T) {
	for status, want := range map[string]string{
		"5.1.1": "Check the address", "5.2.2": "mailbox is full", "5.3.4": "smaller message",
		"5.7.1": "refused by a rule", "4.4.7": "put us off", "5.4.4": "Check the domain", "5.0.0": "can say more",
		"5.1.8": "your own address", "5.6.1": "plain text",
	} {
		s, _ := mail.CutStatus(status)
		d := dsn(t)
		d.Recipients[0].Reply.Status = s
		d.Recipients = d.Recipients[:1]
		header, body := d.Compose()
		_, _, parts := parse(t, header, body)
		if text := strings.Join(strings.Fields(parts[0]), " "); !strings.Contains(text, want) {
			t.Errorf("%s: %q not in %s", status, want, text)
		}
	}
}

// Python's email package shares nothing with us.
func TestPythonReadsTheReport(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	d := dsn(t)
	d.Body = []byte("Hello\r\n")
	header, body := d.Compose()
	file := filepath.Join(t.TempDir(), "dsn.eml")
	if err := os.WriteFile(file, append(header, body...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", `
import email, email.policy, json, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
status = m.get_payload(1)
print(json.dumps({
    "defects": [str(d) for p in m.walk() for d in p.defects],
    "kinds": [m.get_content_type()] + [p.get_content_type() for p in m.get_payload()],
    "subject": m["Subject"], "auto": m["Auto-Submitted"],
    "groups": [dict(g.items()) for g in status.get_payload()],
    "original": m.get_payload(2).get_payload(0)["From"],
}))`, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got struct {
		Defects, Kinds          []string
		Subject, Auto, Original string
		Groups                  []map[string]string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(got.Defects) != 0 {
		t.Errorf("defects: %q", got.Defects)
	}
	want := []string{"multipart/report", "text/plain", "message/delivery-status", "message/rfc822"}
	if d := cmp.Diff(want, got.Kinds); d != "" {
		t.Error(d)
	}
	if got.Original != "Ann <ann@example.com>" || got.Auto != "auto-replied" {
		t.Errorf("%+v", got)
	}
	if len(got.Groups) != 3 || got.Groups[1]["Status"] != "5.1.1" ||
		got.Groups[1]["Final-Recipient"] != "rfc822; bob@example.net" ||
		got.Groups[1]["Diagnostic-Code"] != "smtp; 550 5.1.1 No such user Try another" {
		t.Errorf("%+v", got.Groups)
	}
}
