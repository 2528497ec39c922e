package report_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/mail/report"
)

// arf gives a complaint of one recipient.
func arf(t testing.TB) *report.ARF {
	t.Helper()
	at := time.Date(2025, 11, 6, 17, 6, 10, 0, time.UTC)
	from, err := mail.ParseReversePath("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return &report.ARF{
		ID:     id(t, "0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000"),
		Date:   at.Add(time.Hour),
		Domain: "mail.example.com",
		To:     to(t, "ann@example.com"),
		Feedback: report.Feedback{
			Type: "abuse", UserAgent: "Example-Loop/2.0", Arrival: at.Add(time.Minute), SourceIP: "192.0.2.1",
		},
		MailFrom:   from,
		Recipients: []mail.ForwardPath{to(t, "bob@example.net")},
		Reported:   "example.com",
		About:      id(t, "0100018b8375d148-b3a90120-37e5-4873-a60d-b64f70e677cb-000000"),
		Arrival:    at, MessageID: "<1@example.com>", Subject: "News",
		Header: []byte("From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject: News\r\nMessage-ID: <1@example.com>\r\n\r\n"),
		Body:   []byte("Hello\r\n"),
	}
}

func TestTheWholeComplaint(t *testing.T) {
	header, body := arf(t).Compose()
	got := string(header) + string(body)
	golden := filepath.Join("testdata", "complaint.eml")
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
}

func TestOurComplaintReadsAsWhatItSays(t *testing.T) {
	a := arf(t)
	header, body := a.Compose()
	in, err := report.Read(append(header, body...))
	if err != nil {
		t.Fatal(err)
	}
	want := a.Feedback
	want.MailFrom, want.To, want.Domains = "ann@example.com", []string{"bob@example.net"}, []string{"example.com"}
	if d := cmp.Diff(want, in.Feedback); d != "" || in.Kind != report.Complaint || in.Subject != "Fw: News" {
		t.Errorf("%+v %s", in, d)
	}
	if o := in.Original; o.MessageID != "<1@example.com>" || o.From != "ann@example.com" || o.Subject != "News" {
		t.Errorf("%+v", o)
	}
}

func TestAComplaintWithoutAnythingIsOneStill(t *testing.T) {
	a := arf(t)
	a.Feedback, a.MailFrom, a.Recipients = report.Feedback{}, mail.ReversePath{}, append(a.Recipients, to(t, "carl@example.net"))
	a.Arrival, a.Body = time.Time{}, []byte("caf\xc3\xa9\r\n")
	header, body := a.Compose()
	for _, want := range []string{"Feedback-Type: other\r\n", "User-Agent: sesame\r\n", "Original-Mail-From: <>\r\n",
		"Original-Rcpt-To: <carl@example.net>\r\n", "did not say who", "text/rfc822-headers"} {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	if in, err := report.Read(append(header, body...)); err != nil || in.Kind != report.Complaint || len(in.Feedback.To) != 2 {
		t.Errorf("%+v %v", in, err)
	}
}

func TestNothingThatOthersWroteBreaksTheComplaint(t *testing.T) {
	for _, text := range hostile {
		a := arf(t)
		a.Subject, a.MessageID, a.Reported = text, text, text
		a.Feedback.Type, a.Feedback.UserAgent, a.Feedback.SourceIP = text, text, text
		a.Header, a.Body = []byte("Subject: "+text+"\r\n\r\n"), []byte(text)
		header, body := a.Compose()
		sound(t, header, body)
		if n := bytes.Count(body, []byte("\r\nFeedback-Type: ")) + bytes.Count(body, []byte("\r\nOriginal-Rcpt-To: ")); n != 2 {
			t.Errorf("%d fields in %s", n, body)
		}
		f := report.Forward{ID: a.ID, Date: a.Date, Domain: a.Domain, To: a.To, Subject: text, Text: text, Content: []byte(text)}
		header, body = f.Compose()
		sound(t, header, body)
	}
}

// sound looks at what every mail of ours keeps to.
func sound(t *testing.T, header, body []byte) {
	t.Helper()
	for line := range strings.SplitSeq(string(header)+string(body), "\r\n") {
		if len(line) > 998 || strings.ContainsFunc(line, func(c rune) bool { return c == '\r' || c == '\n' || c == 0 || c > 0x7f }) {
			t.Errorf("a bad line: %.80q", line)
		}
	}
	if s, err := message.Scan(header); err != nil || !s.Ended || s.Count("Bcc") != 0 || s.Count("To") != 1 {
		t.Errorf("header section %q: %v", header, err)
	}
}

func TestWhatIsForwardedComesWhole(t *testing.T) {
	for name, c := range map[string]struct{ content, kind, encoding string }{
		"text":  {"From: bob@example.net\r\nSubject: I am away\r\n\r\nBack on Monday.\r\n", "message/rfc822", ""},
		"8-bit": {"From: bob@example.net\r\n\r\ncaf\xc3\xa9 " + strings.Repeat("x", 200) + "\r\n", "application/octet-stream", "base64"},
	} {
		t.Run(name, func(t *testing.T) {
			f := report.Forward{ID: arf(t).ID, Date: arf(t).Date, Domain: "mail.example.com", To: to(t, "ann@example.com"),
				Subject: "Ich bin im Büro", Text: "An automatic answer came to your message.", Content: []byte(c.content)}
			header, body := f.Compose()
			m, err := netmail.ReadMessage(io.MultiReader(bytes.NewReader(header), bytes.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			var d mime.WordDecoder
			if s, err := d.DecodeHeader(m.Header.Get("Subject")); err != nil || s != "Fw: Ich bin im Büro" {
				t.Errorf("%q %v", s, err)
			}
			_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
			if err != nil {
				t.Fatal(err)
			}
			r := multipart.NewReader(m.Body, params["boundary"])
			if _, err := r.NextRawPart(); err != nil {
				t.Fatal(err)
			}
			p, err := r.NextRawPart()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			if c.encoding == "base64" {
				text = decoded(t, text)
			}
			if kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); kind != c.kind || string(text) != c.content {
				t.Errorf("%s %q", kind, text)
			}
		})
	}
}

func decoded(t *testing.T, text []byte) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), "\r\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
