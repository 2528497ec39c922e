package daemon_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// letters sends bad letters that bounce hard and good ones that do not, fifty
// recipients each, until volume recipients had theirs.
func (r *relay) letters(set, domain string, volume, bad int) {
	r.t.Helper()
	var to []string
	for i := range volume {
		name := "ann"
		if i < bad {
			name = "gone"
		}
		if to = append(to, fmt.Sprintf("%s%d@%s", name, i, domain)); len(to) == 50 || i == volume-1 {
			if got := r.under(set, to...); got != "" {
				r.t.Fatalf("refused: %s", got)
			}
			to = nil
		}
	}
	r.empty()
}

// rated gives what is rated of an account, by kind and name.
func (r *relay) rated(account string) map[string]admin.Reputation {
	r.t.Helper()
	out := map[string]admin.Reputation{}
	for x, err := range r.admin().Reputation(r.t.Context(), account) {
		if err != nil {
			r.t.Fatal(err)
		}
		out[strings.TrimSpace(x.Kind+" "+x.Name)] = x
	}
	return out
}

// sum adds up the statistics of an account.
func (r *relay) sum(account string) (sum admin.Statistics) {
	r.t.Helper()
	for x, err := range r.admin().Statistics(r.t.Context(), account) {
		if err != nil || x.Time.IsZero() || x.Time.Minute()%15 != 0 {
			r.t.Fatalf("%+v, %v", x, err)
		}
		sum.Attempts += x.Attempts
		sum.Bounces += x.Bounces
		sum.Complaints += x.Complaints
	}
	return sum
}

// mailed reports whether a mail with these words came for an address.
func (r *relay) mailed(to string, words ...string) bool {
	for _, m := range r.mx.Messages() {
		all := len(m.To) == 1 && m.To[0] == to
		for _, w := range words {
			all = all && bytes.Contains(bytes.ReplaceAll(m.Data, []byte("\r\n "), []byte(" ")), []byte(w))
		}
		if all {
			return true
		}
	}
	return false
}

func TestTooManyBouncesPauseAnAccountOfTheStrictProfile(t *testing.T) {
	r := newRelay(t, unwanted(), func(c *config.Config) { c.Profile = config.ProfileSES })
	contact := "ops@example.net"
	r.change(admin.AccountChange{Account: "default", Contact: &contact})
	if _, err := r.admin().CreateConfigSet(t.Context(), "default", "news", admin.SetChange{}); err != nil {
		t.Fatal(err)
	}
	// What goes to the simulator, to identities of the account or to addresses on its
	// list says nothing about its lists.
	r.letters("news", "simulator.amazonses.com", 60, 60)
	r.letters("news", "example.org", 60, 60)
	r.suppress("default", "gone1@example.net", "BOUNCE")
	r.mail("gone1@example.net")
	r.empty()
	r.until("all has its outcome", func() bool { return r.sum("default").Bounces == 120 })
	if got := r.rated("default")["account"]; got.Bounces.Mails != 0 {
		t.Fatalf("%+v counts", got.Bounces)
	}

	r.letters("news", "example.com", 999, 99)
	r.until("all is counted", func() bool { return r.rated("default")["configset news"].Bounces.Mails == 999 })
	got := r.rated("default")
	for of, x := range got {
		if x.State != "healthy" || x.Bounces.Count != 99 || x.Bounces.Mails != 999 {
			t.Errorf("%s is %+v", of, x)
		}
	}
	if len(got) != 3 || got["identity example.org"].Kind == "" || got["configset news"].Kind == "" {
		t.Errorf("rated are %v", got)
	}
	r.mail("gone@example.com")
	r.until("the account is paused", func() bool { return r.rated("default")["account"].State == "paused" })
	const paused = "554 Message rejected: Sending paused for this account. " +
		"For more information, please check the inbox of the email address associated with your AWS account."
	if got := r.mail("bob@example.net"); got != paused {
		t.Errorf("answered %q", got)
	}
	if got := r.rated("default"); got["configset news"].State != "healthy" || got["identity example.org"].State != "severe" {
		t.Errorf("rated are %+v", got) // the last letter was under no set
	}
	r.until("the contact is told", func() bool {
		return r.mailed(contact, "Subject: Sending paused for account default", "100 hard bounces among 1000 mails (10.00 %)")
	})

	// Pause and counts outlive a restart.
	r.stop()
	r.start()
	if got := r.rated("default")["account"]; got.State != "paused" || got.Bounces.Count != 100 || got.Bounces.Mails != 1000 {
		t.Errorf("after the restart %+v", got)
	}
	if got := r.mail("bob@example.net"); got != paused {
		t.Errorf("answered %q", got)
	}

	no := false
	r.change(admin.AccountChange{Account: "default", Paused: &no})
	if got := r.rated("default")["account"]; got.State != "healthy" || got.FreshStart.IsZero() || got.Bounces.Mails != 0 {
		t.Errorf("resumed it is %+v", got)
	}
	r.mail("bob@example.net", "gonetoo@example.com")
	r.empty()
	r.until("the new mail counts", func() bool {
		got := r.rated("default")["account"]
		return got.Bounces.Mails == 2 && got.Bounces.Count == 1 && got.State == "healthy"
	})
}

func TestTheDefaultProfileIsWarnedOfBounces(t *testing.T) {
	r := newRelay(t, unwanted())
	if _, err := r.admin().CreateConfigSet(t.Context(), "default", "news", admin.SetChange{}); err != nil {
		t.Fatal(err)
	}
	contact := "ops@example.net"
	r.change(admin.AccountChange{Account: "default", Contact: &contact})
	r.letters("news", "example.com", 999, 99)
	r.until("all is counted", func() bool { return r.rated("default")["configset news"].Bounces.Mails == 999 })
	r.under("news", "gone@example.com")
	r.until("it is severe", func() bool { return r.rated("default")["configset news"].State == "severe" })
	if got := r.mail("bob@example.net"); got != "" {
		t.Errorf("refused: %s", got)
	}
	r.until("the contact is told", func() bool {
		return r.mailed(contact, "Subject: Reputation of account default has changed", "configset news: severe after healthy")
	})
	resp, err := http.Get("http://" + r.addrs.Metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if want := `sesame_account_bounce_rate{account="000000000001",set="news"} 0.1`; !strings.Contains(string(text), want) {
		t.Errorf("the metrics lack %s", want)
	}
	a, err := r.admin().Account(t.Context(), "default")
	if err != nil || a.Reputation == nil || a.Reputation.State != "severe" {
		t.Errorf("%+v, %v", a.Reputation, err)
	}
	for x, err := range r.admin().Reputation(t.Context(), "") {
		if err != nil || x.Account != "default" || x.Kind != "account" {
			t.Errorf("of all accounts %+v, %v", x, err)
		}
	}
	// A set that was off and sends again starts afresh; others do not.
	off, on := false, true
	for _, sending := range []*bool{&on, &off, &on} {
		if _, err := r.admin().ChangeConfigSet(t.Context(), "default", "news", admin.SetChange{Sending: sending}); err != nil {
			t.Fatal(err)
		}
		if fresh := !r.rated("default")["configset news"].FreshStart.IsZero(); fresh && sending == &off {
			t.Error("a fresh start by being switched off")
		}
	}
	got := r.rated("default")
	if x := got["configset news"]; x.State != "healthy" || x.FreshStart.IsZero() || got["account"].State != "severe" {
		t.Errorf("rated are %+v", got)
	}
}

func TestStatisticsCountWhatBecameOfMail(t *testing.T) {
	r := newRelay(t, unwanted())
	r.mail("bob@example.net", "gone@example.net", "full@example.net", "bounce@simulator.amazonses.com")
	r.suppress("default", "eve@example.net", "BOUNCE")
	r.mail("eve@example.net")
	r.empty()
	r.stop()
	r.start()
	if sum := r.sum("default"); sum.Attempts != 5 || sum.Bounces != 3 {
		t.Errorf("%+v", sum)
	}
}

func TestWhatComesBackCountsForTheMailThatWasDelivered(t *testing.T) {
	r := newRelay(t, unwanted(), receives)
	key := r.loopKey("example.com")
	own := func() admin.Reputation { return r.rated("default")["account"] }
	counted := func(mails int64) {
		t.Helper()
		r.until("all is counted", func() bool { return own().Bounces.Mails == mails })
		r.empty()
	}
	out := func(to string, mails int64) (sent testmx.Message) {
		t.Helper()
		r.mail(to)
		counted(mails)
		for _, m := range r.mx.Messages() {
			if m.To[0] == to {
				sent = m
			}
		}
		return sent
	}
	complain := func(to string, mails int64) {
		t.Helper()
		sent := out(to, mails)
		text := complaint(t, "staff@example.com", "abuse", sent, to, key)
		if got := r.stranger("staff@example.com", text, "fbl@mail.example.org"); got != "250 Ok" {
			t.Fatalf("answered %q", got)
		}
	}
	complain("bob@example.net", 1)
	r.until("the first complaint is known", func() bool { return r.sum("default").Complaints == 1 })
	if got := own(); got.Complaints.Count != 0 || got.Bounces.Mails != 1 {
		t.Errorf("the first complaint of a domain counts: %+v", got)
	}
	r.letters("", "example.net", 998, 0)
	r.letters("", "example.org", 10, 0)
	counted(999)
	complain("cy@example.net", 1000)
	r.until("the complaint counts", func() bool { return own().Complaints.Count == 1 })
	if got := own(); got.Complaints.Mails != 999 || got.State != "healthy" {
		t.Errorf("%+v", got)
	}
	sent := out("dan@example.net", 1001)
	if got := r.stranger("", dsn(sent, "5.1.1", "550 5.1.1 no such user", "dan@example.net"), sent.From); got != "250 Ok" {
		t.Fatalf("answered %q", got)
	}
	r.until("the bounce counts", func() bool { return own().Bounces.Count == 1 })
	if got := own(); got.Bounces.Mails != 1001 || got.Complaints.Mails != 1000 {
		t.Errorf("the bounced mail counts twice: %+v", got)
	}
	r.until("it is under review", func() bool { return own().State == "review" }) // one of a thousand complained
}
