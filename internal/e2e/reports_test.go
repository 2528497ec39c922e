//go:build e2e

package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/mail/report"
)

// sisimaiRead gives what Sisimai reads in files, one JSON object a line.
const sisimaiRead = `
use strict; use warnings; use Sisimai; use JSON;
for my $file (@ARGV) {
    my $read = Sisimai->make($file, 'delivered' => 1);
    my @r = map { {
        to => $_->recipient->address, reason => $_->reason, status => $_->deliverystatus, action => $_->action,
        type => $_->feedbacktype, reporter => $_->smtpagent,
    } } @{ $read || [] };
    print JSON->new->canonical->encode({ file => $file, read => \@r }), "\n";
}
`

// module is for a counterpart that is a module of Perl or Python.
func module(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		if inCI() {
			t.Fatalf("%q: %v\n%s", command, err, out)
		}
		t.Skipf("%q does not work; run .ci/counterparts", command)
	}
}

// sisimaiFound is one recipient that Sisimai reads of.
type sisimaiFound struct{ To, Reason, Status, Action, Type, Reporter string }

func sisimai(t *testing.T, files []string) map[string][]sisimaiFound {
	t.Helper()
	module(t, "perl", "-MSisimai", "-MJSON", "-e", "1")
	found := make(map[string][]sisimaiFound)
	for line := range strings.Lines(program(t, "", nil, nil, append([]string{"perl", "-e", sisimaiRead}, files...)...)) {
		var one struct {
			File string
			Read []sisimaiFound
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		found[one.File] = one.Read
	}
	return found
}

// reasons are our classes for each reason of Sisimai: those that mean the same.
var reasons = map[string][]verdict.Class{
	"userunknown":     {verdict.NoMailbox},
	"filtered":        {verdict.NoMailbox, verdict.Policy, verdict.Disabled},
	"hostunknown":     {verdict.DNS},
	"mailboxfull":     {verdict.Full},
	"mesgtoobig":      {verdict.TooLarge},
	"exceedlimit":     {verdict.TooLarge},
	"suspend":         {verdict.Disabled},
	"hasmoved":        {verdict.NoMailbox, verdict.Disabled},
	"rejected":        {verdict.Sender, verdict.Policy, verdict.Authentication},
	"norelaying":      {verdict.NotServed},
	"blocked":         {verdict.Reputation},
	"securityerror":   {verdict.Policy, verdict.Authentication, verdict.TLS},
	"policyviolation": {verdict.Policy, verdict.Authentication},
	"spamdetected":    {verdict.Content},
	"virusdetected":   {verdict.Attachment},
	"contenterror":    {verdict.Content},
	"expired":         {verdict.Expired, verdict.Connection, verdict.Greylisting, verdict.Remote},
	"networkerror":    {verdict.DNS, verdict.Connection},
	"notaccept":       {verdict.DNS},
	"systemerror":     {verdict.Remote, verdict.DNS},
	"mailererror":     {verdict.Remote},
	"syntaxerror":     {verdict.Protocol},
	"toomanyconn":     {verdict.Rate},
	"undefined":       {verdict.Unknown},
	"onhold":          {verdict.Unknown},
}

// made reports whether a status of Sisimai's says nothing, or was made by it since the
// report has none.
func made(status string) bool {
	_, detail, _ := strings.Cut(status, ".0.")
	return status == "" || detail == "0" || len(detail) == 3 && detail[0] == '9'
}

// disagreement says in what one reading of a bounce differs from Sisimai's: the
// recipients must be the same, and for each the status, or else its reason must be
// our class. It is empty when both agree.
func disagreement(in *report.Incoming, read []sisimaiFound) string {
	var ours, theirs []string
	for i := range in.Recipients {
		if in.Recipients[i].Action != report.Passed {
			ours = append(ours, strings.ToLower(in.Recipients[i].To))
		}
	}
	for _, r := range read {
		if r.Reason != "delivered" {
			theirs = append(theirs, strings.ToLower(r.To))
		}
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if !slices.Equal(ours, theirs) {
		return "recipients " + strings.Join(ours, " ") + ", Sisimai's " + strings.Join(theirs, " ")
	}
	for _, r := range read {
		for i := range in.Recipients {
			o := &in.Recipients[i]
			if r.Reason == "delivered" || !strings.EqualFold(o.To, r.To) {
				continue
			}
			if o.Status.String() == r.Status {
				continue
			}
			v := verdict.Of(&o.Reply, true, o.Host)
			if made(r.Status) && slices.Contains(reasons[r.Reason], v.Class) {
				continue
			}
			return o.To + ": status " + o.Status.String() + ", class " + v.Class.String() + ", Sisimai's " + r.Status + ", " + r.Reason
		}
	}
	return ""
}

// difference says in what one reading of other mail differs from Sisimai's.
func difference(in *report.Incoming, read []sisimaiFound) string {
	if in.Kind == report.Other {
		if len(read) > 0 {
			return "nothing, Sisimai's " + read[0].Reason
		}
		return ""
	}
	if len(read) == 0 {
		return in.Kind.String() + ", Sisimai's nothing"
	}
	switch r := read[0]; {
	case in.Kind == report.AutoReply && (r.Reason != "vacation" || r.To != in.From):
		return in.From + " is away, Sisimai's " + r.To + " " + r.Reason
	case in.Kind == report.Complaint && (r.Reason != "feedback" || r.Type != "" && r.Type != in.Feedback.Type ||
		len(in.Feedback.To) > 0 && !slices.Contains(in.Feedback.To, r.To)):
		return in.Feedback.Type + " by " + strings.Join(in.Feedback.To, " ") + ", Sisimai's " + r.Reason + " " + r.Type + " by " + r.To
	}
	return ""
}

// Our reader and that of Sisimai agree on at least 95 in 100 bounces. Where Sisimai
// reads nothing, or reads wrongly, it counts as disagreement all the same.
func TestSisimaiAgreesWithOurReader(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "reports", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	found := sisimai(t, files)
	bounces, agreed, others := 0, 0, 0
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		in, err := report.Read(content)
		if err != nil {
			t.Fatal(f, err)
		}
		if in.Kind != report.Bounced {
			if d := difference(in, found[f]); d != "" {
				t.Logf("%s: %s", filepath.Base(f), d)
				others++
			}
			continue
		}
		bounces++
		if d := disagreement(in, found[f]); d != "" {
			t.Logf("%s: %s", filepath.Base(f), d)
			continue
		}
		agreed++
	}
	t.Logf("%d of %d bounces read alike, %d of %d others", agreed, bounces, len(files)-bounces-others, len(files)-bounces)
	if others > 1 {
		t.Errorf("%d complaints and automatic answers are read differently", others)
	}
	if bounces < 100 || agreed*100 < bounces*95 {
		t.Errorf("only %d of %d are read alike", agreed, bounces)
	}
}
