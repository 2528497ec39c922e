package daemon_test

import (
	"crypto/tls"
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// talk is an authenticated SMTP session that says exactly what it is told.
type talk struct {
	t *testing.T
	c *smtp.Client
}

func (r *relay) talk() *talk {
	r.t.Helper()
	c, err := smtp.Dial(r.addrs.STARTTLS[0])
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		r.t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", r.user, r.pass, "127.0.0.1")); err != nil {
		r.t.Fatal(err)
	}
	return &talk{r.t, c}
}

// say sends octets as they are and gives the reply to them, code and text.
func (s *talk) say(raw string) string {
	s.t.Helper()
	if _, err := s.c.Text.W.WriteString(raw); err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.Text.W.Flush(); err != nil {
		s.t.Fatal(err)
	}
	code, text, err := s.c.Text.ReadResponse(0)
	if code == 0 {
		s.t.Fatalf("%.60q: %v", raw, err)
	}
	return fmt.Sprintf("%d %s", code, text)
}

// message sends one whose header section ends header, and gives the last reply.
// MAIL and RCPT must be taken: what is wrong with a sender is said after DATA.
func (s *talk) message(from, header string) string {
	s.t.Helper()
	for _, step := range []string{"MAIL FROM:<" + from + ">\r\n", "RCPT TO:<bob@example.net>\r\n", "DATA\r\n"} {
		if reply := s.say(step); reply[0] != '2' && reply[0] != '3' {
			s.say("RSET\r\n")
			return reply
		}
	}
	return s.say(header + "\r\nbody\r\n.\r\n")
}

const (
	taken      = "250 Ok "
	failed     = "554 Transaction failed: "
	unverified = "554 Message rejected: Email address is not verified. The following identities failed the check in region LOCAL-1: "

	noAt      = failed + "Missing final '@domain'"
	noLocal   = failed + "Missing local name"
	noDomain  = failed + "Missing domain"
	badDomain = failed + "Domain contains illegal character"
	badLocal  = failed + "Local address contains illegal character"
	blank     = failed + "Local address contains control or whitespace"
	group     = failed + "Illegal semicolon, not in group"
	badName   = failed + "Display name contains illegal character"
	badQuote  = failed + "Missing '\"'"
	noBracket = failed + "Missing '>'"
	after     = failed + "Illegal text after address"
	comment   = failed + "Illegal comment"
	tooLong   = failed + "Address is too long"
	eightBit  = failed + "Header contains 8-bit characters"
	control   = failed + "Header contains a control character"
)

// TestSpoofTable sends every trick by which a header section could show a reader
// another sender than the one that was checked. The account may send as
// example.org and as carol@example.com, and as nobody else.
func TestSpoofTable(t *testing.T) {
	const victim = "ceo@bank.test"
	me, her := "From: ann@example.org\r\n", "From: carol@example.com\r\n"
	long := strings.Repeat("a", 65)
	tests := []struct {
		name, from, header, want string
	}{
		// What is as it should be.
		{"plain address", "ann@example.org", me, taken},
		{"name and angle address", "ann@example.org", "From: Ann Example <ann@example.org>\r\n", taken},
		{"subdomain", "x@mail.example.org", "From: <x@mail.example.org>\r\n", taken},
		{"label", "carol+news@example.com", "From: carol+news@example.com\r\n", taken},
		{"case of field name, domain and local part", "ANN@EXAMPLE.ORG", "FROM: CAROL@EXAMPLE.COM\r\n", taken},
		{"folded before the address", "ann@example.org", "From: Ann\r\n <ann@example.org>\r\n", taken},
		{"folded at once", "ann@example.org", "From:\r\n\tann@example.org\r\n", taken},
		{"encoded word as display name", "ann@example.org", "From: =?utf-8?q?J=C3=BCrgen?= <ann@example.org>\r\n", taken},
		{"comment without specials", "ann@example.org", "From: ann@example.org (Ann)\r\n", taken},
		{"quoted local part that needs none", "ann@example.org", "From: \"ann\"@example.org\r\n", taken},
		{"null reverse-path", "", me, taken},
		{"null Return-Path", "ann@example.org", me + "Return-Path: <>\r\n", taken},
		{"two of ours with our Sender", "ann@example.org", "From: ann@example.org, carol@example.com\r\nSender: ann@example.org\r\n", taken},
		// What others see is not checked, as in SES.
		{"Reply-To of another", "ann@example.org", me + "Reply-To: " + victim + "\r\n", taken},
		{"Resent-From of another", "ann@example.org", me + "Resent-From: " + victim + "\r\n", taken},
		{"Resent-Sender of another", "ann@example.org", me + "Resent-Sender: " + victim + "\r\n", taken},
		{"quoted display name that shows an address", "ann@example.org", "From: \"" + victim + "\" <ann@example.org>\r\n", taken},

		// Each place alone.
		{"From of another", "ann@example.org", "From: " + victim + "\r\n", unverified + victim},
		{"envelope sender of another", victim, me, unverified + victim},
		{"Sender of another", "ann@example.org", me + "Sender: " + victim + "\r\n", unverified + victim},
		{"Return-Path of another", "ann@example.org", me + "Return-Path: <" + victim + ">\r\n", unverified + victim},
		{"all of another, each named once", "a@bank.test", "From: b@bank.test\r\nSender: a@bank.test\r\n", unverified + "a@bank.test, b@bank.test"},
		{"null reverse-path, From of another", "", "From: " + victim + "\r\n", unverified + victim},
		{"neighbour of an address identity", "ann@example.org", "From: dave@example.com\r\n", unverified + "dave@example.com"},
		{"domain of an address identity", "ann@example.org", "From: carol@sub.example.com\r\n", unverified + "carol@sub.example.com"},
		{"label before nothing", "ann@example.org", "From: +carol@example.com\r\n", unverified + "+carol@example.com"},

		// Several.
		{"two From fields", "ann@example.org", me + "From: " + victim + "\r\n", failed + "Duplicate header 'From'."},
		{"two From fields in odd case", "ann@example.org", me + "fRoM: " + victim + "\r\n", failed + "Duplicate header 'From'."},
		{"two equal From fields", "ann@example.org", me + me, failed + "Duplicate header 'From'."},
		{"two Sender fields", "ann@example.org", me + "Sender: ann@example.org\r\nSENDER: " + victim + "\r\n", failed + "Duplicate header 'Sender'."},
		{"two Return-Path fields", "ann@example.org", me + "Return-Path: <>\r\nreturn-path: <" + victim + ">\r\n", failed + "Duplicate header 'Return-Path'."},
		{"ours first in From", "ann@example.org", "From: ann@example.org, " + victim + "\r\nSender: ann@example.org\r\n", unverified + victim},
		{"ours last in From", "ann@example.org", "From: " + victim + ", ann@example.org\r\nSender: ann@example.org\r\n", unverified + victim},
		{"two of ours without Sender", "ann@example.org", "From: ann@example.org, carol@example.com\r\n", failed + "Missing required header 'Sender'."},
		{"two in Sender", "ann@example.org", me + "Sender: ann@example.org, carol@example.com\r\n", failed + "Header 'Sender' must hold one address."},
		{"two angle addresses", "ann@example.org", "From: <ann@example.org> <" + victim + ">\r\n", after},
		{"two angle addresses, touching", "ann@example.org", "From: <" + victim + "><ann@example.org>\r\n", after},
		{"address before an angle address", "ann@example.org", "From: " + victim + " <ann@example.org>\r\n", after},
		{"address after an angle address", "ann@example.org", "From: <ann@example.org> " + victim + "\r\n", after},
		{"a semicolon for a comma", "ann@example.org", "From: ann@example.org; " + victim + "\r\n", group},

		// Nothing, and halves.
		{"no From", "ann@example.org", "Subject: x\r\n", failed + "Missing required header 'From'."},
		{"empty From", "ann@example.org", "From: \r\n", noAt},
		{"From of a comment", "ann@example.org", "From: (ann@example.org)\r\n", comment},
		{"null address in From", "ann@example.org", "From: <>\r\n", noAt},
		{"null address in Sender", "ann@example.org", me + "Sender: <>\r\n", noAt},
		{"trailing comma", "ann@example.org", "From: ann@example.org,\r\n", noAt},
		{"leading comma", "ann@example.org", "From: , ann@example.org\r\n", noAt},
		{"name alone", "ann@example.org", "From: Ann\r\n", noAt},
		{"no local part", "ann@example.org", "From: <@example.org>\r\n", noLocal},
		{"no domain", "ann@example.org", "From: <ann@>\r\n", noDomain},
		{"open angle bracket", "ann@example.org", "From: <ann@example.org\r\n", noBracket},
		{"open quote", "ann@example.org", "From: \"ceo <ann@example.org>\r\n", badQuote},
		{"open comment", "ann@example.org", "From: (ceo ann@example.org\r\n", comment},

		// Groups.
		{"group", "ann@example.org", "From: Board: ann@example.org;\r\n", group},
		{"group of another", "ann@example.org", "From: ann@example.org: " + victim + ";\r\n", badDomain},
		{"empty group", "ann@example.org", "From: Undisclosed:;\r\n", group},
		{"group beside an address", "ann@example.org", "From: ann@example.org, X: " + victim + ";\r\n", group},

		// Names and encoded words.
		{"unquoted address as name", "ann@example.org", "From: ceo @ bank.test <ann@example.org>\r\n", blank},
		{"encoded word for an address", "ann@example.org", "From: =?utf-8?q?ceo=40bank.test?=\r\n", noAt},
		{"encoded word in the local part", "ann@example.org", "From: <=?utf-8?q?ceo?=@example.org>\r\n", badLocal},
		{"encoded word with an address in it, then ours", "ann@example.org", "From: =?utf-8?q?=3Cceo=40bank.test=3E?=@example.org\r\n", badLocal},
		{"name that ends at a NUL once decoded", "ann@example.org", "From: =?utf-8?q?ceo=40bank.test=00?= <ann@example.org>\r\n", badName},
		{"field by way of an encoded name", "ann@example.org", "From: =?utf-8?q?x=0D=0AFrom=3A_ceo=40bank.test?= <ann@example.org>\r\n", badName},
		{"header by way of an encoded word", "ann@example.org", me + "Subject: =?utf-8?q?x=0D=0AFrom:_ceo=40bank.test?=\r\n", taken},
		{"parameters of RFC 2231", "ann@example.org", "From*: utf-8''ceo%40bank.test\r\n", failed + "Missing required header 'From'."},
		{"parameters of RFC 2231 beside From", "ann@example.org", me + "From*0*: utf-8''ceo%40bank.test\r\n", taken},
		{"quote in the middle of a name", "ann@example.org", "From: Ann\"ceo\" <ann@example.org>\r\n", badName},
		{"backslash in a name", "ann@example.org", "From: Ann\\ <ann@example.org>\r\n", badName},
		{"comment with an address", "ann@example.org", "From: ann@example.org (ceo@bank.test)\r\n", comment},
		{"comment inside the address", "ann@example.org", "From: ann(ceo)@example.org\r\n", blank},
		{"comment in the domain", "ann@example.org", "From: ann@example.org(.bank.test)\r\n", taken},
		{"comment that swallows ours", "ann@example.org", "From: ceo@bank.test (<ann@example.org>)\r\n", comment},
		{"nested comments", "ann@example.org", "From: ann@example.org " + strings.Repeat("(", 50) + strings.Repeat(")", 50) + "\r\n", comment},

		// Local parts.
		{"quoted at sign", "ann@example.org", "From: \"ceo@bank.test\"@example.org\r\n", badLocal},
		{"quoted at sign, ours inside", "ann@example.org", "From: \"ann@example.org\"@bank.test\r\n", badLocal},
		{"two at signs", "ann@example.org", "From: ceo@bank.test@example.org\r\n", badDomain},
		{"quoted angle bracket", "ann@example.org", "From: \"<ceo@bank.test>\"@example.org\r\n", badLocal},
		{"quoted blank", "ann@example.org", "From: \"ann ceo\"@example.org\r\n", taken},
		{"quoted nothing", "ann@example.org", "From: \"\"@example.org\r\n", noLocal},
		{"percent hack", "ann@example.org", "From: ceo%bank.test@example.org\r\n", taken},
		{"bang path", "ann@example.org", "From: bank.test!ceo@example.org\r\n", taken},
		{"source route", "ann@example.org", "From: <@example.org:ceo@bank.test>\r\n", noLocal},
		{"blank around the at sign", "ann@example.org", "From: ann @example.org\r\n", blank},
		{"blank after the at sign", "ann@example.org", "From: ceo@ example.org\r\n", noDomain},
		{"two dots", "ann@example.org", "From: a..b@example.org\r\n", badLocal},
		{"very long local part", "ann@example.org", "From: " + long + "@example.org\r\n", tooLong},
		{"very long address", "ann@example.org", "From: a@" + strings.Repeat("a.", 2000) + "example.org\r\n", tooLong},

		// Domains that look alike.
		{"suffix without a dot", "ann@example.org", "From: ann@evilexample.org\r\n", unverified + "ann@evilexample.org"},
		{"ours as a subdomain of another", "ann@example.org", "From: ann@example.org.bank.test\r\n", unverified + "ann@example.org.bank.test"},
		{"trailing dot", "ann@example.org", "From: ann@example.org.\r\n", badDomain},
		{"leading dot", "ann@example.org", "From: ann@.example.org\r\n", badDomain},
		{"Punycode homograph", "ann@example.org", "From: ann@xn--exmple-cua.org\r\n", unverified + "ann@xn--exmple-cua.org"},
		{"Cyrillic letter", "ann@example.org", "From: ann@ex\u0430mple.org\r\n", eightBit},
		{"ideographic full stop", "ann@example.org", "From: ann@example\u3002org\r\n", eightBit},
		{"full-width letters", "ann@example.org", "From: ann@\uff45xample.org\r\n", eightBit},
		{"UTF-8 in the name", "ann@example.org", "From: J\u00fcrgen <ann@example.org>\r\n", eightBit},
		{"zero-width space", "ann@example.org", "From: ann@exam\u200bple.org\r\n", eightBit},
		{"right-to-left mark", "ann@example.org", "From: \u202eann@example.org\r\n", eightBit},
		{"address literal", "ann@example.org", "From: ann@[127.0.0.1]\r\n", unverified + "ann@[127.0.0.1]"},
		{"address literal of a name", "ann@example.org", "From: ann@[example.org]\r\n", badDomain},
		{"number for a domain", "ann@example.org", "From: ann@2130706433\r\n", badDomain},
		{"underscore for a letter", "ann@example.org", "From: ann@_example.org\r\n", unverified + "ann@_example.org"},

		// The section itself.
		{"NUL in From", "ann@example.org", "From: ceo@bank.test\x00 ann@example.org\r\n", "554 "},
		{"vertical tab in From", "ann@example.org", "From: ceo@bank.test\v, ann@example.org\r\n", control},
		{"escape in From", "ann@example.org", "From: \x1b[2Jann@example.org\r\n", control},
		{"blank before the colon", "ann@example.org", "From : " + victim + "\r\n" + me, failed + "Header field name contains illegal character"},
		{"tab before the colon", "ann@example.org", me + "Sender\t: " + victim + "\r\n", failed + "Header field name contains illegal character"},
		{"first line is a continuation", "ann@example.org", " From: " + victim + "\r\n" + me, failed + "Header begins with a continuation line"},
		{"continuation of white space only", "ann@example.org", me + "X: a\r\n \r\nFrom: " + victim + "\r\n", failed + "Header contains a line of white space only"},
		{"line without a colon", "ann@example.org", "From ceo@bank.test Mon Jan 1 00:00:00 2026\r\n" + me, failed + "Header"},
		{"folded inside the address", "ann@example.org", "From: ann@\r\n example.org\r\n", noDomain},
		{"folded to hide another", "ann@example.org", "From: ann@example.org,\r\n ceo@bank.test\r\nSender: ann@example.org\r\n", unverified + victim},
		{"another field that folds into From", "ann@example.org", "X-From: a\r\n From: " + victim + "\r\n" + me, taken},
		{"From below the header section", "ann@example.org", me + "\r\nFrom: " + victim + "\r\n", taken},
		{"her own address", "carol@example.com", her, taken},
		{"refusal within one line", "ann@example.org", "From: " + strings.Repeat("someone@bank.test, x"+long[:40]+"@bank.test, ", 20) + "y@bank.test\r\nSender: ann@example.org\r\n", unverified + "someone@bank.test, "},
	}
	r := newRelay(t, testmx.Options{})
	if _, err := r.admin().AddIdentity(t.Context(), "default", "carol@example.com", identity.AddOptions{Verified: true}); err != nil {
		t.Fatal(err)
	}
	if len(tests) < 60 {
		t.Errorf("%d rows", len(tests))
	}
	s := r.talk()
	for _, tt := range tests {
		got := s.message(tt.from, tt.header)
		ok := got == tt.want || strings.HasSuffix(tt.want, " ") && strings.HasPrefix(got, tt.want)
		// The scanner adds the number of the line.
		ok = ok || strings.HasPrefix(tt.want, failed+"Header") && strings.HasPrefix(got, tt.want)
		if !ok {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
		if len(got) > 510 {
			t.Errorf("%s: a reply of %d octets", tt.name, len(got))
		}
	}
	if got := s.say("NOOP\r\n"); got != "250 Ok" {
		t.Errorf("the session is out of step: %s", got)
	}
}

func TestSpoofsBeforeDataAreRefusedAtMAIL(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	s := r.talk()
	for from, want := range map[string]string{
		"<ann@example.org> <ceo@bank.test>": "5", "<ann@example.org>,<ceo@bank.test>": "5",
		"<\"ann@example.org": "5", "<ann@ex\u0430mple.org>": "5", "<ann@example.org.>": "5", "<ann\x00@example.org>": "5",
		"<@example.org:ceo@bank.test>": "250 Ok", // the route is dropped (RFC 5321 appendix C); the sender is checked after DATA
	} {
		got := s.say("MAIL FROM:" + from + "\r\n")
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s", from, got)
		}
		if got[0] == '2' {
			s.say("RCPT TO:<bob@example.net>\r\n")
			s.say("DATA\r\n")
			if got := s.say("From: ann@example.org\r\n\r\nx\r\n.\r\n"); got != unverified+"ceo@bank.test" {
				t.Errorf("%q after DATA: %s", from, got)
			}
		}
	}
}
