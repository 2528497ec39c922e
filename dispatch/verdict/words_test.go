package verdict_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/mail"
)

func ExampleOf() {
	r := mail.Refuse(550, 7, 1, "Greylisted, please try again in 5 minutes")
	v := verdict.Of(r, true, "mx.example.org")
	fmt.Println(v.Permanent, v.Class, v.Action)
	// Output: false greylisting retry
}

// of gives a verdict in one line.
func of(r *mail.Reply, remote bool, host string) string {
	v := verdict.Of(r, remote, host)
	return fmt.Sprintf("%v %s, %s, %s/%s, %s", v.Permanent, v.Class, v.Action, v.BounceType, v.BounceSubType, v.DelayType)
}

func TestVerdictsSpeakTheWordsOfSES(t *testing.T) {
	for _, test := range []struct {
		reply *mail.Reply
		want  string
	}{
		{mail.Refuse(550, 1, 1, "user unknown"), "true no_mailbox, give up, Permanent/General, General"},
		{mail.Refuse(550, 2, 1, "Mailbox is disabled"), "true disabled, give up, Permanent/General, General"},
		{mail.Refuse(553, 1, 3, ""), "true bad_address, give up, Permanent/General, General"},
		{mail.Refuse(554, 0, 0, "Transaction failed"), "true unknown, give up, Permanent/General, General"},
		{mail.Refuse(556, 1, 10, ""), "true dns, give up, Permanent/General, TransientCommunicationFailure"},
		{mail.Refuse(552, 2, 2, "over quota"), "true full, give up, Transient/MailboxFull, MailboxFull"},
		{mail.Refuse(452, 2, 2, "over quota"), "false full, retry, Transient/MailboxFull, MailboxFull"},
		{&mail.Reply{Code: 452, Text: "wait"}, "false full, retry, Transient/MailboxFull, MailboxFull"},
		{&mail.Reply{Code: 552, Text: "no"}, "true too_large, give up, Transient/MessageTooLarge, General"},
		{mail.Refuse(552, 3, 4, ""), "true too_large, give up, Transient/MessageTooLarge, General"},
		{mail.Refuse(550, 7, 1, "looks like spam"), "true content, give up, Transient/ContentRejected, SpamDetected"},
		{mail.Refuse(451, 7, 1, "looks like spam"), "false content, retry, Transient/General, SpamDetected"},
		{mail.Refuse(554, 6, 0, ""), "true content, give up, Transient/ContentRejected, SpamDetected"},
		{mail.Refuse(554, 7, 1, "Virus found"), "true attachment, give up, Transient/AttachmentRejected, SpamDetected"},
		{mail.Refuse(550, 7, 1, ""), "true policy, give up, Transient/General, General"},
		{mail.Refuse(554, 7, 1, "blocked using zen.spamhaus.org"), "true reputation, other source, Transient/General, IPFailure"},
		{mail.Refuse(554, 7, 1, "Service unavailable; Sender address [ann@example.org] blocked using dbl.spamhaus.org"), "true sender, stop sender, Transient/General, General"},
		{mail.Refuse(550, 7, 26, ""), "true authentication, stop sender, Transient/General, General"},
		{mail.Refuse(553, 1, 8, ""), "true sender, stop sender, Transient/General, General"},
		{mail.Refuse(421, 7, 0, "too many connections"), "false rate, back off, Transient/General, IPFailure"},
		{mail.Refuse(450, 2, 1, "user is receiving mail too quickly"), "false mailbox_rate, retry, Transient/General, General"},
		{mail.Refuse(450, 7, 1, "greylisted"), "false greylisting, retry, Transient/General, General"},
		{mail.Refuse(554, 7, 1, "Relay access denied"), "true not_served, give up, Transient/General, General"},
		{mail.Refuse(530, 7, 0, "Must issue STARTTLS first"), "true tls, give up, Transient/General, TransientCommunicationFailure"},
		{mail.Refuse(451, 3, 0, ""), "false remote, retry, Transient/General, RecipientServerError"},
		{mail.Refuse(503, 5, 1, ""), "true protocol, give up, Transient/General, RecipientServerError"},
		{&mail.Reply{Status: mail.Status{Class: 5, Subject: 1, Detail: 1}}, "true no_mailbox, give up, Permanent/General, General"},
		{&mail.Reply{Text: "it went wrong"}, "false unknown, retry, Undetermined/Undetermined, Undetermined"},
	} {
		if got := of(test.reply, true, "mx.example.org"); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.reply, got, test.want)
		}
	}
	if v := verdict.Of(mail.Refuse(250, 0, 0, "ok"), true, ""); v != (verdict.Verdict{}) {
		t.Errorf("of a positive reply: %+v", v)
	}
}

func TestOurOwnRepliesAreRead(t *testing.T) {
	for _, test := range []struct {
		reply *mail.Reply
		want  string
	}{
		{mail.Refuse(421, 4, 1, "Failed to establish connection"), "false connection, retry, Transient/General, TransientCommunicationFailure"},
		{mail.Refuse(421, 4, 2, "Connection closed unexpectedly"), "false connection, retry, Transient/General, TransientCommunicationFailure"},
		{mail.Refuse(421, 4, 0, "Unable to lookup DNS for example.org"), "false dns, retry, Transient/General, TransientCommunicationFailure"},
		{mail.Refuse(421, 4, 3, "Unable to find a route"), "false dns, retry, Transient/General, TransientCommunicationFailure"},
		{mail.Refuse(550, 4, 4, "Invalid domain"), "true dns, give up, Permanent/General, TransientCommunicationFailure"},
		{mail.Refuse(556, 1, 10, "Recipient domain does not accept mail"), "true dns, give up, Permanent/General, TransientCommunicationFailure"},
		{mail.Refuse(550, 4, 6, "Mail for this domain loops back to this host"), "true dns, give up, Permanent/General, TransientCommunicationFailure"},
		{mail.Refuse(421, 5, 0, "Remote host sent an unusable reply"), "false remote, retry, Transient/General, RecipientServerError"},
		{mail.Refuse(421, 7, 0, "Remote host broke the TLS negotiation"), "false tls, retry, Transient/General, TransientCommunicationFailure"},
		{mail.Refuse(454, 7, 5, "TLS handshake failed"), "false tls, retry, Transient/General, TransientCommunicationFailure"},
		{mail.Refuse(451, 7, 10, "Encryption is required, and the remote host does not offer it"), "false tls, retry, Transient/General, TransientCommunicationFailure"},
		{mail.Refuse(552, 3, 4, "Message is larger than the remote host takes"), "true too_large, give up, Transient/MessageTooLarge, General"},
		{mail.Refuse(554, 6, 3, "Remote host does not take 8-bit content"), "true content, give up, Transient/ContentRejected, SpamDetected"},
		{mail.Refuse(451, 3, 0, "Message could not be read from the spool"), "false local, retry, Transient/General, InternalFailure"},
		{mail.Refuse(451, 7, 1, "Mail of example.org waits: the remote host refused its sender, last with 550 5.7.26 no"), "false sender, stop sender, Transient/General, General"},
		{mail.Refuse(451, 7, 5, "Message could not be signed"), "false local, retry, Transient/General, InternalFailure"},
		{mail.Refuse(421, 3, 2, "Shutting down"), "false local, retry, Transient/General, InternalFailure"},
		{mail.Refuse(554, 7, 0, "Delivery was cancelled by the operator"), "true local, give up, Transient/General, InternalFailure"},
		{mail.Refuse(554, 7, 0, "Bad content"), "true attachment, give up, Transient/AttachmentRejected, SpamDetected"},
		{
			&mail.Reply{Code: 550, Status: mail.Status{Class: 4, Subject: 4, Detail: 7}, Text: "Message expired: unable to deliver in 840 minutes.<451 4.7.1 Try again later>"},
			"true expired, give up, Transient/General, General",
		},
	} {
		if got := of(test.reply, false, ""); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.reply, got, test.want)
		}
	}
}

func TestPermanentStaysPermanentUnlessTheWordsLeaveNoDoubt(t *testing.T) {
	for _, test := range []struct {
		text, host string
		permanent  bool
	}{
		{"Ip frequency limited", "mx1.qq.com", false},
		{"Ip frequency limited", "mx.example.org", true},
		{"Ip frequency limited", "notqq.com", true},
		{"Greylisted", "mx.example.org", true}, // it does not say that it ends
		{"Greylisting in action, retry in 300 seconds", "mx.example.org", false},
		{"User unknown, please try again later", "mx.example.org", true},
		{"User unknown (greylist.example.org), try again", "mx.example.org", true},
		{"4.1.1 User unknown, try again", "mx.example.org", true},
		{"Blocked, try again later", "mx.example.org", true},
		{"Temporarily rejected. Try again.", "mx.example.org", false},
		{"4.7.1 Try again later", "mx.example.org", false},
		{"4.7.1 Blocked", "mx.example.org", true},
		{"4.4.7 Message expired: unable to deliver in 840 minutes.<451 4.7.1 Try again later>", "mx.example.org", true},
		{"4.4.7 Gave up after <421 Too many connections, try again later>", "mx.example.org", true},
		{"5.7.1 greylist-try-again@example.org: unknown user", "mx.example.org", true},
	} {
		r := mail.Reply{Code: 550, Text: test.text}
		if v := verdict.Of(&r, true, test.host); v.Permanent != test.permanent {
			t.Errorf("%q of %s: permanent = %v", test.text, test.host, v.Permanent)
		}
		if v := verdict.Of(&r, false, test.host); !v.Permanent {
			t.Errorf("%q of our own is not permanent", test.text)
		}
	}
}

func TestAddressesAreNoWords(t *testing.T) {
	for _, local := range []string{"mailbox-full", "spam", "virus", "greylisted", "over.quota", "rate-limit"} {
		r := mail.Refuse(550, 1, 1, "<"+local+"@example.org>... User unknown")
		if v := verdict.Of(r, true, "mx.example.org"); v.Class != verdict.NoMailbox {
			t.Errorf("%s: %s", r, v.Class)
		}
	}
}

func TestLongTextsAreReadInShortTime(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("greylist ", 1<<20), strings.Repeat("a", 1<<24), strings.Repeat("#", 1<<20), strings.Repeat("4.7.1 ", 1<<20),
	} {
		start := time.Now()
		for range 10 {
			verdict.Of(&mail.Reply{Code: 550, Text: text}, true, strings.Repeat("mx.", 100))
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("%q...: %v", text[:10], d)
		}
	}
}

func TestNamesOfClassesAreDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range verdict.Classes() {
		if c.String() == "" || seen[c.String()] {
			t.Errorf("class %d is %q", c, c)
		}
		seen[c.String()] = true
	}
	if s := verdict.Class(0).String() + verdict.Class(1000).String(); s != "" {
		t.Errorf("no class is %q", s)
	}
}

func FuzzOf(f *testing.F) {
	for _, s := range read(f) {
		f.Add(s.reply.Code, s.reply.Status.String()+" "+s.reply.Text, s.host)
	}
	f.Fuzz(func(t *testing.T, code int, text, host string) {
		for _, remote := range []bool{true, false} {
			r := mail.Reply{Code: code}
			r.Status, r.Text = mail.CutStatus(text)
			v := verdict.Of(&r, remote, host)
			if code/100 == 4 && v.Permanent {
				t.Errorf("%q became permanent", r.String())
			}
			if v != (verdict.Verdict{}) && (v.Class.String() == "" || v.Action.String() == "" || v.BounceType == "" || v.BounceSubType == "" || v.DelayType == "") {
				t.Errorf("%q: %+v", r.String(), v)
			}
		}
	})
}

func BenchmarkOf(b *testing.B) {
	all := read(b)
	for i := 0; b.Loop(); i++ {
		s := &all[i%len(all)]
		verdict.Of(&s.reply, true, s.host)
	}
}
