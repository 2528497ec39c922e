//go:build e2e

package e2e_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/report"
)

// bounceParserRead and fluflRead give what two parsers find in the files named, as
// sisimaiRead does: an address and its status a recipient.
const bounceParserRead = `
use strict; use warnings; use Mail::DeliveryStatus::BounceParser; use JSON;
for my $file (@ARGV) {
    open my $in, '<', $file or die $!;
    my $bounce = Mail::DeliveryStatus::BounceParser->new($in);
    my @r = map { { to => $_->get('email'), status => $_->get('status') } } $bounce->reports;
    print JSON->new->canonical->encode({ file => $file, read => \@r, bounce => $bounce->is_bounce ? 1 : 0 }), "\n";
}
`

const fluflRead = `
import email, json, sys
from flufl.bounce import scan_message
for file in sys.argv[1:]:
    with open(file, "rb") as f:
        found = scan_message(email.message_from_binary_file(f))
    print(json.dumps({"file": file, "read": [{"to": a.decode()} for a in sorted(found)]}))
`

// ownDSNs are the shapes of our own DSNs, each with the status that every recipient
// is to be found with.
func ownDSNs(t *testing.T) map[string]*report.DSN {
	t.Helper()
	must := func(s string) mail.ForwardPath {
		p, err := mail.ParseForwardPath(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	at := time.Date(2025, 11, 6, 17, 6, 10, 0, time.UTC)
	unknown := report.Recipient{To: must("bob@example.net"), Host: "mx.example.net", Remote: true,
		Reply: *mail.Refuse(550, 1, 1, "<bob@example.net>: Recipient address rejected: User unknown")}
	full := report.Recipient{To: must("carol@example.org"), Host: "mx.example.org", Remote: true,
		Reply: *mail.Refuse(552, 2, 2, "Mailbox full\nTry again next week")}
	expired := report.Recipient{To: must("dave@example.com"), Host: "mx.example.com", Reply: mail.Reply{Code: 550, Status: mail.Status{Class: 4, Subject: 4, Detail: 7},
		Text: "Message expired: unable to deliver in 840 minutes.<421 4.4.1 Failed to establish connection>"}}
	local := report.Recipient{To: must("erin@nowhere.example.net"), Reply: *mail.Refuse(550, 4, 4, "Invalid domain")}
	long := report.Recipient{To: must("frank.with.a.long.name+tag@department.university.example.net"), Host: "mx.example.net", Remote: true,
		Reply: *mail.Refuse(554, 7, 1, "Message rejected: "+strings.Repeat("spam content was found in it, ", 20))}
	shapes := map[string][]report.Recipient{
		"refused": {unknown}, "full": {full}, "expired": {expired}, "local": {local}, "long": {long},
		"several": {unknown, full, expired, local, long},
	}
	dsns := make(map[string]*report.DSN)
	for name, recipients := range shapes {
		for _, whole := range []bool{true, false} {
			d := &report.DSN{
				ID: mail.ID{1}, Date: at, Domain: "mail.example.com", ReportingMTA: "mx1.example.com", To: must("ann@example.com"),
				Failed: mail.ID{2}, Arrival: at, MessageID: "<1@example.com>", Recipients: recipients,
				Header: []byte("From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\nDate: Thu, 6 Nov 2025 17:06:10 +0000\r\n\r\n"),
			}
			if whole {
				d.Body = []byte("Hello\r\n")
				dsns[name+", whole message"] = d
			} else {
				dsns[name+", header section"] = d
			}
		}
	}
	return dsns
}

// Three parsers that share nothing with us find every recipient of our DSNs, and its
// status where they look for one.
func TestParsersOfBouncesReadOurDSNs(t *testing.T) {
	dir := t.TempDir()
	want := make(map[string]map[string]string)
	var files []string
	for name, d := range ownDSNs(t) {
		header, body := d.Compose()
		file := filepath.Join(dir, name+".eml")
		// As it lies in a mailbox: with the line ends of the machine.
		text := strings.ReplaceAll("Return-Path: <>\r\n"+string(header)+string(body), "\r\n", "\n")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		want[file] = make(map[string]string)
		for _, r := range d.Recipients {
			want[file][r.To.String()] = r.Reply.Status.String()
		}
	}
	for _, p := range []struct {
		name    string
		works   []string
		run     []string
		nothing bool // it gives no status
	}{
		{"Sisimai", []string{"perl", "-MSisimai", "-MJSON", "-e", "1"}, []string{"perl", "-e", sisimaiRead}, false},
		{"BounceParser", []string{"perl", "-MMail::DeliveryStatus::BounceParser", "-MJSON", "-e", "1"}, []string{"perl", "-e", bounceParserRead}, false},
		{"flufl.bounce", []string{"/usr/bin/python3", "-c", "import flufl.bounce"}, []string{"/usr/bin/python3", "-c", fluflRead}, true},
	} {
		t.Run(p.name, func(t *testing.T) {
			module(t, p.works...)
			for line := range strings.Lines(program(t, "", nil, nil, append(p.run, files...)...)) {
				var one struct {
					File string
					Read []struct{ To, Status string }
				}
				if err := json.Unmarshal([]byte(line), &one); err != nil {
					t.Fatalf("%v in %s", err, line)
				}
				got, expected := make(map[string]string), maps.Clone(want[one.File])
				for _, r := range one.Read {
					got[r.To] = strings.TrimSpace(r.Status)
				}
				if p.nothing {
					for to := range expected {
						expected[to] = got[to]
					}
				}
				if d := cmp.Diff(expected, got); d != "" {
					t.Errorf("%s: %s", filepath.Base(one.File), d)
				}
			}
		})
	}
}
