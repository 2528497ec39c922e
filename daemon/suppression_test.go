package daemon_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// unwanted is a host that has no mailbox whose name begins with "gone", dislikes
// spam and is out of order for others.
func unwanted() testmx.Options {
	return testmx.Options{StartTLS: true, Script: func(e testmx.Event) testmx.Action {
		if e.Stage == testmx.Rcpt {
			for local, reply := range map[string]string{
				"gone": "550 5.1.1 no such user", "policy": "550 5.7.1 not from you", "full": "552 5.2.2 mailbox full",
			} {
				if strings.Contains(strings.ToLower(e.Line), "<"+local) {
					return testmx.Action{Text: reply}
				}
			}
		}
		return testmx.Action{}
	}}
}

// mail sends one letter to each and gives the refusal, or nothing.
func (r *relay) mail(to ...string) string {
	return r.under("", to...)
}

// under sends a letter under a configuration set.
func (r *relay) under(set string, to ...string) string {
	r.t.Helper()
	text := hello
	if set != "" {
		text = "X-SES-CONFIGURATION-SET: " + set + "\r\n" + hello
	}
	_, err := r.send("ann@example.org", to, text)
	if reply := (*textproto.Error)(nil); errors.As(err, &reply) {
		return fmt.Sprint(reply.Code, " ", reply.Msg)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return ""
}

func (r *relay) suppress(account, address, reason string) {
	r.t.Helper()
	q := admin.SuppressRequest{Account: account, Installation: account == "", Address: address, Reason: reason}
	if _, err := r.admin().Suppress(r.t.Context(), q); err != nil {
		r.t.Fatal(err)
	}
}

// listed reports whether an address is on the list of an account, or with an
// empty name on that of the installation.
func (r *relay) listed(account, address string) bool {
	r.t.Helper()
	_, err := r.admin().Suppressed(r.t.Context(), account, address)
	if e := (*admin.Error)(nil); errors.As(err, &e) && e.Code == 404 {
		return false
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return true
}

const strictSentence = "Amazon SES did not send the message to this address because it is on the suppression list for your account." +
	" For more information about removing addresses from the suppression list, see the Amazon SES Developer Guide at" +
	" https://docs.aws.amazon.com/ses/latest/DeveloperGuide/sending-email-suppression-list.html"

func TestASuppressedRecipientIsAcceptedAndBounced(t *testing.T) { // checklist 17
	for profile, alter := range profiles {
		t.Run(profile, func(t *testing.T) {
			r := newRelay(t, unwanted(), alter)
			sentence := "sesame did not send the message to this address because it is on the suppression list for your account."
			if profile == "ses" {
				sentence = strictSentence
			}
			r.suppress("default", "Bob.Smith@EXAMPLE.net", "BOUNCE")
			// Letter case does not count.
			if got := r.mail("bob.SMITH@example.net"); got != "" {
				t.Fatalf("refused: %s", got)
			}
			m := r.arrived(1)[0]
			if m.From != "" || m.To[0] != "ann@example.org" {
				t.Errorf("mail of %s for %s", m.From, m.To)
			}
			text := string(bytes.ReplaceAll(m.Data, []byte("\r\n "), []byte(" ")))
			for _, want := range []string{"Status: 5.1.1", "Action: failed", "Final-Recipient: rfc822; bob.SMITH@example.net", "5.1.1 " + sentence} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in %s", want, text)
				}
			}
			r.empty()
			if !r.outcome("bob.SMITH@example.net", "delivery failed", "550", "5.1.1", sentence) {
				t.Error("the log does not tell")
			}
			a, err := r.admin().Account(t.Context(), "default")
			if err != nil || a.Usage.Used != 1 {
				t.Errorf("%+v, %v: a suppressed recipient counts to the quota", a.Usage, err)
			}
			// Others on the same message get it.
			r.mail("bob.smith@example.net", "carl@example.net", "dan@example.net")
			r.empty()
			var others []string
			for _, m := range r.mx.Messages()[1:] {
				if m.From != "" {
					others = append(others, m.To...)
				}
			}
			if slices.Sort(others); strings.Join(others, " ") != "carl@example.net dan@example.net" {
				t.Errorf("it came to %s", others)
			}
		})
	}
}

func TestAComplainerIsLeftOutWithoutBounceMail(t *testing.T) {
	r := newRelay(t, unwanted())
	r.suppress("default", "bob@example.net", "complaint")
	r.mail("bob@example.net")
	r.until("it has its outcome", func() bool { return strings.Contains(r.log.text(), "delivery failed") })
	r.mail("carl@example.net")
	r.empty()
	if got := r.arrived(1); got[0].To[0] != "carl@example.net" || r.mx.Count() != 1 {
		t.Errorf("%d mails, first for %s", r.mx.Count(), got[0].To)
	}
}

func TestAHardBounceJoinsTheLists(t *testing.T) {
	r := newRelay(t, unwanted())
	r.mail("Gone@example.net", "policy@example.net", "full@example.net", "carl@example.net",
		"bounce@simulator.amazonses.com", "nobody@null.example.net")
	r.until("the address is on both lists", func() bool {
		return r.listed("default", "gone@example.net") && r.listed("", "gone@example.net")
	})
	r.empty()
	e, err := r.admin().Suppressed(t.Context(), "default", "gone@example.net")
	if err != nil || e.Address != "Gone@example.net" || e.Reason != "BOUNCE" || len(e.MessageID) != 60 || !e.Expires.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err = r.admin().Suppressed(t.Context(), "", "gone@example.net"); err != nil || e.Expires.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
	// A later bounce has been looked at when this one is on the list.
	r.mail("gone2@example.net")
	r.until("the next address is on the list", func() bool { return r.listed("default", "gone2@example.net") })
	for _, list := range []string{"default", ""} {
		for e, err := range r.admin().AllSuppressed(t.Context(), list, admin.SuppressedFilter{}) {
			if err != nil || !strings.HasPrefix(strings.ToLower(e.Address), "gone") {
				t.Errorf("%s is on the list, %v", e.Address, err)
			}
		}
	}
	// It is not written to any more.
	r.mail("gone@example.net")
	r.until("the second mail has its outcome", func() bool {
		return strings.Contains(r.log.text(), "because it is on the suppression list for your account.")
	})
	r.empty()
	r.stop()
	r.start()
	if !r.listed("default", "gone@example.net") {
		t.Error("gone from the list with the restart")
	}
}

func TestTheSettingsOfAccountAndSetDecide(t *testing.T) {
	r := newRelay(t, unwanted())
	r.suppress("default", "bob@example.net", "BOUNCE")
	r.suppress("default", "cyd@example.net", "COMPLAINT")
	r.suppress("", "dan@example.net", "BOUNCE")
	for _, set := range []string{"none", "bounce", "complaint", "all", "account"} {
		r.createSet(set, admin.SetChange{Suppression: &set})
	}
	for _, c := range []struct{ account, set, want string }{
		{"all", "", "dan"}, // its own list goes before the installation's (spec section 7.1)
		{"all", "account", "dan"},
		{"all", "none", "bob cyd dan"},
		{"all", "bounce", "cyd dan"},
		{"all", "complaint", "bob dan"},
		{"bounce", "", "cyd dan"},
		{"complaint", "", "bob dan"},
		{"complaint", "all", "dan"},
		{"none", "", "bob cyd"},
		{"none", "account", "bob cyd"},
		{"none", "none", "bob cyd dan"},
		{"none", "all", "dan"},
	} {
		r.change(admin.AccountChange{Account: "default", Suppress: &c.account})
		from := r.mx.Count()
		r.under(c.set, "bob@example.net", "cyd@example.net", "dan@example.net")
		r.empty()
		var got []string
		for _, m := range r.mx.Messages()[from:] {
			if m.From == "" {
				continue
			}
			for _, to := range m.To {
				local, _, _ := strings.Cut(to, "@")
				got = append(got, local)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("account %s, set %q: %s get it, want %s", c.account, c.set, got, c.want)
		}
	}
}

func TestAnAccountMayRefuseAtTheDoor(t *testing.T) {
	r := newRelay(t, unwanted())
	r.suppress("default", "bob@example.net", "BOUNCE")
	r.suppress("default", "cyd@example.net", "COMPLAINT")
	r.change(admin.AccountChange{Account: "default", Suppressed: value("refuse")})
	const refusal = "554 Message rejected: Address is on the suppression list for your account: "
	if got := r.mail("ed@example.net", "Bob@example.net", "cyd@example.net"); got != refusal+"Bob@example.net, cyd@example.net" {
		t.Errorf("%q", got)
	}
	if got := r.mail("ed@example.net"); got != "" {
		t.Errorf("nobody on the list: %q", got)
	}
	r.createSet("free", admin.SetChange{Suppression: ptr("none")})
	if got := r.under("free", "bob@example.net"); got != "" {
		t.Errorf("under a set without suppression: %q", got)
	}
	r.change(admin.AccountChange{Account: "default", Suppress: value("bounce")})
	if got := r.mail("cyd@example.net"); got != "" {
		t.Errorf("a complainer, when complaints do not count: %q", got)
	}
	r.arrived(3)
	r.change(admin.AccountChange{Account: "default", Suppressed: value("accept")})
	if got := r.mail("bob@example.net"); got != "" {
		t.Errorf("refused after the change back: %q", got)
	}
	for _, bad := range []admin.AccountChange{{Account: "default", Suppressed: value("maybe")}, {Account: "default", Suppress: value("")}} {
		if _, err := r.admin().ChangeAccount(t.Context(), bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestTheListOfTheInstallationCanBeOff(t *testing.T) {
	r := newRelay(t, unwanted(), func(c *config.Config) { c.Suppression.Installation = false })
	r.suppress("", "bob@example.net", "BOUNCE")
	r.change(admin.AccountChange{Account: "default", Suppress: value("none")})
	r.mail("bob@example.net", "gone@example.net")
	if got := r.arrived(1); got[0].To[0] != "bob@example.net" {
		t.Errorf("mail for %s", got[0].To)
	}
	r.empty()
	if r.listed("", "gone@example.net") || r.listed("default", "gone@example.net") {
		t.Error("a bounce joined a list that is off")
	}
}

// endless is a file that never ends; whoever reads much of it has failed.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	for i := range p {
		p[i] = "a@example.net\n"[i%14]
	}
	return len(p), nil
}

func TestAFileOfAnyLengthIsImportedWhileMailFlows(t *testing.T) {
	r := newRelay(t, unwanted())
	const n = 50_000
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, "User%d@example.net,BOUNCE\n", i*7919%n)
	}
	imported := make(chan error, 1)
	go func() {
		done, err := r.admin().ImportSuppressed(t.Context(), "default", strings.NewReader(file.String()), "csv", false)
		if err == nil && (done.Changed != n || done.Failed != 0) {
			err = fmt.Errorf("imported %+v", done)
		}
		imported <- err
	}()
	for sent, busy := 1, true; busy; sent++ {
		r.mail("carl@example.net")
		r.arrived(sent)
		select {
		case err := <-imported:
			if err != nil {
				t.Fatal(err)
			}
			busy = false
		default:
		}
	}
	count := 0
	for _, err := range r.admin().AllSuppressed(t.Context(), "default", admin.SuppressedFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != n || !r.listed("default", "uSER49999@example.net") {
		t.Errorf("%d of %d are listed", count, n)
	}
}

func TestAFileThatMayNotBeImportedIsNotSent(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	if _, err := r.admin().CreateAccount(t.Context(), admin.AccountChange{Account: "shop"}); err != nil {
		t.Fatal(err)
	}
	for account, form := range map[string]string{"shop": "csv", "default": "xml", "nobody": "csv"} {
		file := &endless{}
		_, err := r.admin().ImportSuppressed(t.Context(), account, file, form, false)
		if e := (*admin.Error)(nil); !errors.As(err, &e) || e.Code/100 != 4 {
			t.Errorf("%s: %v", account, err)
		}
		if n := file.read.Load(); n > 1<<20 {
			t.Errorf("%s: %d octets were sent", account, n)
		}
	}
}

func TestTheListGoesWithItsAccount(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	yes := true
	for range 2 {
		if _, err := r.admin().CreateAccount(t.Context(), admin.AccountChange{Account: "shop", Production: &yes}); err != nil {
			t.Fatal(err)
		}
		if r.listed("shop", "bob@example.net") {
			t.Error("an account has the list of one before it")
		}
		r.suppress("shop", "bob@example.net", "BOUNCE")
		r.suppress("default", "bob@example.net", "BOUNCE")
		if r.listed("default", "carl@example.net") || !r.listed("shop", "bob@example.net") {
			t.Error("the lists are mixed up")
		}
		if _, err := r.admin().DeleteAccount(t.Context(), "shop", false); err != nil {
			t.Fatal(err)
		}
		if !r.listed("default", "bob@example.net") {
			t.Error("the list of another went with it")
		}
	}
}
