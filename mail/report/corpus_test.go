package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/mail/report"
)

// reading is how a mail of the corpus is read, as it stands beside it.
type reading struct {
	Kind         string
	Subject      string `json:",omitempty"`
	From         string
	ReportingMTA string          `json:",omitempty"`
	Recipients   []readRecipient `json:",omitempty"`
	Feedback     *readFeedback   `json:",omitempty"`
	Original     *readOriginal   `json:",omitempty"`
}

type readRecipient struct {
	To, Action string
	Original   string `json:",omitempty"`
	Status     string `json:",omitempty"`
	Reply      string `json:",omitempty"`
	Host       string `json:",omitempty"`
}

type readFeedback struct {
	Type      string
	UserAgent string   `json:",omitempty"`
	Arrival   string   `json:",omitempty"`
	MailFrom  string   `json:",omitempty"`
	To        []string `json:",omitempty"`
	Domains   []string `json:",omitempty"`
	SourceIP  string   `json:",omitempty"`
}

type readOriginal struct {
	MessageID, From string
	ReturnPath      string `json:",omitempty"`
	FeedbackID      string `json:",omitempty"`
	Outgoing        string `json:",omitempty"`
	Subject         string
	To              []string
	Octets          int // of the header section
}

func describe(in *report.Incoming) *reading {
	r := &reading{Kind: in.Kind.String(), Subject: in.Subject, From: in.From, ReportingMTA: in.ReportingMTA}
	for _, p := range in.Recipients {
		r.Recipients = append(r.Recipients, readRecipient{To: p.To, Original: p.Original, Action: p.Action.String(),
			Status: p.Status.String(), Reply: p.Reply.String(), Host: p.Host})
	}
	if b := in.Feedback; in.Kind == report.Complaint {
		r.Feedback = &readFeedback{Type: b.Type, UserAgent: b.UserAgent, MailFrom: b.MailFrom, To: b.To, Domains: b.Domains, SourceIP: b.SourceIP}
		if !b.Arrival.IsZero() {
			r.Feedback.Arrival = b.Arrival.Format(time.RFC3339)
		}
	}
	if o := in.Original; o.Header != nil {
		r.Original = &readOriginal{MessageID: o.MessageID, From: o.From, ReturnPath: o.ReturnPath, FeedbackID: o.FeedbackID,
			Outgoing: o.Outgoing, Subject: o.Subject, To: o.To, Octets: len(o.Header)}
	}
	return r
}

// corpus gives the mails of testdata/reports by name, as they come in.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "reports", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	mails := make(map[string][]byte)
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		mails[strings.TrimSuffix(f, ".eml")] = bytes.ReplaceAll(content, []byte("\n"), []byte("\r\n"))
	}
	if len(mails) < 100 {
		t.Fatalf("the corpus has %d mails", len(mails))
	}
	return mails
}

func TestEveryReportIsReadAsItStandsBeside(t *testing.T) {
	for name, content := range corpus(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			in, err := report.Read(content)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(describe(in)); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name+".json", b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), b.String()); d != "" {
				t.Error(d)
			}
		})
	}
}
