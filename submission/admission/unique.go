package admission

import (
	"context"
	"strings"

	"github.com/sesame-mta/sesame/mail/message"
)

// uniqueFields are those of which SES takes one only (spec section 3.5). Of the
// decisive ones two readers of a message would see two things: who sent it, what
// it is about, where the answer goes, what its body is. The others do no harm
// when they stand twice, and real mail has them, two signatures above all (spec
// section 14): only the strict profile refuses them.
var uniqueFields = []struct {
	name     string
	decisive bool
}{
	{"From", true}, {"Sender", true}, {"Reply-To", true}, {"Return-Path", true},
	{"Subject", true}, {"Date", true}, {"Message-ID", true}, {"MIME-Version", true},
	{"Content-Type", true}, {"Content-Transfer-Encoding", true}, {"Content-Disposition", true},
	{"Content-Alternative", true}, {"Content-Base", true}, {"Content-Class", true},
	{"Content-Description", true}, {"Content-Duration", true}, {"Content-ID", true},
	{"Content-Language", true}, {"Content-Length", true}, {"Content-Location", true}, {"Content-MD5", true},
	{"Accept-Language", false}, {"acceptLanguage", false}, {"Archived-At", false}, {"Auto-Submitted", false},
	{"Bounces-to", false}, {"Comments", false}, {"Delivered-To", false},
	{"Disposition-Notification-Options", false}, {"Disposition-Notification-To", false},
	{"DKIM-Signature", false}, {"DomainKey-Signature", false}, {"Errors-To", false}, {"Importance", false},
	{"In-Reply-To", false}, {"Keywords", false}, {"List-Archive", false}, {"List-Help", false}, {"List-Id", false},
	{"List-Owner", false}, {"List-Post", false}, {"List-Subscribe", false}, {"List-Unsubscribe", false},
	{"List-Unsubscribe-Post", false}, {"Message-Context", false}, {"Organization", false},
	{"Original-From", false}, {"Original-Message-ID", false}, {"Original-Recipient", false},
	{"Original-Subject", false}, {"Precedence", false}, {"Priority", false}, {"References", false},
	{"Return-Receipt-To", false}, {"Solicitation", false}, {"Sensitivity", false}, {"Thread-Index", false},
	{"Thread-Topic", false}, {"User-Agent", false}, {"VBR-Info", false},
}

// unique refuses a second field of a name that may stand once.
func unique(_ context.Context, c *Candidate) error {
	if different(c.Header.Fields) {
		return nil
	}
	seen := make(map[string]int, len(c.Header.Fields))
	for _, f := range c.Header.Fields {
		seen[strings.ToLower(f.Name)]++
	}
	for _, f := range uniqueFields {
		if seen[strings.ToLower(f.name)] > 1 && (f.decisive || c.Principal.Strict) {
			return duplicate(f.name)
		}
	}
	return nil
}

// different reports whether all fields have names of their own, as nearly all mail
// has; false is for more than a few fields, too.
func different(fields []message.HeaderField) bool {
	if len(fields) > 32 {
		return false
	}
	for i, f := range fields {
		for _, g := range fields[:i] {
			if len(f.Name) == len(g.Name) && f.Is(g.Name) {
				return false
			}
		}
	}
	return true
}

func duplicate(name string) error { return failed(0, "Duplicate header '"+name+"'.") }
