package identity_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
)

func TestADomainIsVerifiedByItsDKIMKeys(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		w.after(time.Hour)
		w.is("example.org", "PENDING", "PENDING")
		if _, ok := w.Covers(alice, must(mail.ParseAddress("a@example.org"))); ok {
			t.Error("a pending identity covers")
		}
		// Without v= and with blanks inside, as some providers write it.
		w.zone.set("TXT", i.Keys[0].Selector+"._domainkey.example.org", "k=rsa; p= "+i.Keys[0].TXT[strings.Index(i.Keys[0].TXT, "p=")+2:])
		w.after(10 * time.Minute)
		w.is("example.org", "SUCCESS", "SUCCESS")
		if _, ok := w.Covers(alice, must(mail.ParseAddress("a@example.org"))); !ok {
			t.Error("a verified identity does not cover")
		}
		if len(w.KeyRefs(alice, "example.org")) != 1 {
			t.Error("not signed")
		}
		if !slices.Equal(w.changes, []string{"verification SUCCESS", "dkim SUCCESS"}) {
			t.Errorf("told %v", w.changes)
		}
	})
}

func TestATextRecordVerifiesWithoutSigning(t *testing.T) {
	for at, prefix := range map[string]string{"_sesame.example.org": "", "_amazonses.example.org": "", "example.org": "sesame:"} {
		watch(t, identity.Options{}, func(t *testing.T, w *watched) {
			i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
			if len(i.Token) != 44 {
				t.Fatalf("token %q", i.Token)
			}
			other := add(t, w.Book, bob, "example.org", identity.AddOptions{})
			w.zone.set("TXT", at, "v=spf1 -all", prefix+other.Token)
			w.after(5 * time.Minute)
			w.is("example.org", "PENDING", "PENDING")
			if o, _ := w.Get(bob, "example.org"); !o.Verified {
				t.Error("the owner of the token is not verified")
			}
			w.zone.set("TXT", at, "v=spf1 -all", prefix+i.Token)
			w.after(time.Hour)
			w.is("example.org", "SUCCESS", "PENDING")
			if refs := w.KeyRefs(alice, "example.org"); len(refs) != 0 {
				t.Errorf("signed with %v, which DNS does not show", refs)
			}
			w.after(73 * time.Hour)
			w.is("example.org", "SUCCESS", "FAILED")
		})
	}
}

func TestWhatIsNotFoundIn72HoursHasFailed(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		w.after(time.Minute)
		asked := w.zone.count()
		w.after(71 * time.Hour)
		w.is("example.org", "PENDING", "PENDING")
		if n := (w.zone.count() - asked) / 4; n < 72 || n > 400 {
			t.Errorf("looked %d times in 71 hours", n)
		}
		w.after(2 * time.Hour)
		w.is("example.org", "FAILED", "FAILED")
		// It stays so until its owner begins anew.
		w.zone.publish(w.Records(i))
		w.after(48 * time.Hour)
		w.is("example.org", "FAILED", "SUCCESS")
		if _, _, err := w.Restart(t.Context(), alice, "example.org"); err != nil {
			t.Fatal(err)
		}
		w.after(10 * time.Minute)
		w.is("example.org", "SUCCESS", "SUCCESS")
	})
}

func TestALostRecordRevokesAfter72Hours(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		w.zone.publish(w.Records(i))
		w.after(5 * time.Minute)
		w.is("example.org", "SUCCESS", "SUCCESS")
		w.zone.set("TXT", i.Keys[0].Selector+"._domainkey.example.org")
		w.after(25 * time.Hour) // the daily look
		w.is("example.org", "TEMPORARY_FAILURE", "TEMPORARY_FAILURE")
		if _, ok := w.Covers(alice, must(mail.ParseAddress("a@example.org"))); !ok {
			t.Error("sending is refused before 72 hours are over")
		}
		if len(w.KeyRefs(alice, "example.org")) != 0 {
			t.Error("signed with a key that DNS does not show")
		}
		w.after(74 * time.Hour)
		w.is("example.org", "FAILED", "FAILED")
		if _, ok := w.Covers(alice, must(mail.ParseAddress("a@example.org"))); ok {
			t.Error("sending goes on after 72 hours")
		}
	})
}

func TestALostRecordThatComesBackHeals(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		w.zone.publish(w.Records(i))
		w.after(5 * time.Minute)
		w.zone.set("TXT", i.Keys[0].Selector+"._domainkey.example.org", "v=DKIM1; p=AAAA")
		w.after(25 * time.Hour)
		w.is("example.org", "TEMPORARY_FAILURE", "TEMPORARY_FAILURE")
		w.zone.publish(w.Records(i))
		w.after(3 * time.Hour)
		w.is("example.org", "SUCCESS", "SUCCESS")
	})
}

func TestAnOutageOfDNSRevokesNothing(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		w.zone.publish(w.Records(i))
		w.after(5 * time.Minute)
		w.zone.silence(true)
		w.after(24 * time.Hour)
		w.after(30 * time.Minute)
		w.after(2 * time.Hour)
		w.is("example.org", "TEMPORARY_FAILURE", "TEMPORARY_FAILURE")
		w.after(30 * 24 * time.Hour)
		w.is("example.org", "TEMPORARY_FAILURE", "TEMPORARY_FAILURE")
		if _, ok := w.Covers(alice, must(mail.ParseAddress("a@example.org"))); !ok {
			t.Error("sending is refused for an outage")
		}
		w.zone.silence(false)
		w.after(2 * time.Hour)
		w.is("example.org", "SUCCESS", "SUCCESS")
	})
}

func TestAnOperatorsWordNeedsNoRecords(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{Verified: true, DKIM: true})
		w.after(100 * time.Hour)
		w.is("example.org", "SUCCESS", "PENDING")
		if len(w.KeyRefs(alice, "example.org")) != 1 {
			t.Error("not signed, though nobody has seen the key yet")
		}
		w.zone.publish(w.Records(i))
		w.after(2 * time.Hour)
		w.is("example.org", "SUCCESS", "SUCCESS")
		w.zone.set("TXT", i.Keys[0].Selector+"._domainkey.example.org")
		w.after(25 * time.Hour)
		w.is("example.org", "SUCCESS", "TEMPORARY_FAILURE")
		if len(w.KeyRefs(alice, "example.org")) != 0 {
			t.Error("signed with a key that was lost")
		}
	})
}

func TestAMailFromDomainNeedsOneMXAndSPF(t *testing.T) {
	const bounce = "bounce.example.org"
	right := resolver.MX{Host: "feedback.example.com", Pref: 10}
	spf := "v=spf1 include:mail.example.com ~all"
	tests := []struct {
		name string
		mx   []resolver.MX
		txt  []string
		want identity.State
	}{
		{"as it must be", []resolver.MX{right}, []string{spf}, identity.Success},
		{"with a plus and another term", []resolver.MX{right}, []string{"v=spf1 mx +include:mail.example.com -all"}, identity.Success},
		{"without MX", nil, []string{spf}, identity.Pending},
		{"with a second MX", []resolver.MX{right, {Host: "mx.example.net", Pref: 20}}, []string{spf}, identity.Failed},
		{"with another MX", []resolver.MX{{Host: "mx.example.net", Pref: 10}}, []string{spf}, identity.Failed},
		{"without SPF", []resolver.MX{right}, nil, identity.Pending},
		{"with the SPF of somebody else", []resolver.MX{right}, []string{"v=spf1 include:example.net -all"}, identity.Pending},
		{"with two SPF records", []resolver.MX{right}, []string{spf, "v=spf1 -all"}, identity.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			watch(t, identity.Options{Service: "mail.example.com", Feedback: "feedback.example.com"}, func(t *testing.T, w *watched) {
				add(t, w.Book, alice, "example.org", identity.AddOptions{Verified: true})
				w.zone.mx[bounce] = tt.mx
				w.zone.set("TXT", bounce, tt.txt...)
				if _, err := w.SetMailFrom(t.Context(), alice, "example.org", bounce, true); err != nil {
					t.Fatal(err)
				}
				if !w.MailFromRefused(alice, must(mail.ParseAddress("a@example.org"))) {
					t.Error("not refused while pending")
				}
				w.after(10 * time.Minute)
				i := w.is("example.org", "SUCCESS", "NOT_STARTED")
				if i.MailFrom.Check.State != tt.want {
					t.Errorf("state %s, want %s", i.MailFrom.Check.State, tt.want)
				}
				if refused := w.MailFromRefused(alice, must(mail.ParseAddress("a@sub.example.org"))); refused != (tt.want != identity.Success) {
					t.Errorf("refused: %v", refused)
				}
				_, problems, err := w.checker.Check(t.Context(), alice, "example.org")
				named := slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, bounce+":") })
				if err != nil || named != (tt.want != identity.Success) {
					t.Errorf("problems %q, %v", problems, err)
				}
				domain, served := w.MailFromDomain(alice, must(mail.ParseAddress("a@sub.example.org"))), w.ServesMailFrom(bounce)
				if set := tt.want == identity.Success; (domain == bounce) != set || served != set {
					t.Errorf("mail leaves under %q, its bounces come here: %v", domain, served)
				}
				if _, err := w.SetMailFrom(t.Context(), alice, "example.org", bounce, false); err != nil {
					t.Fatal(err)
				}
				if w.MailFromRefused(alice, must(mail.ParseAddress("a@example.org"))) {
					t.Error("refused, though the default may take its place")
				}
				if err := w.Remove(t.Context(), alice, "example.org"); err != nil || w.ServesMailFrom(bounce) {
					t.Errorf("served after the identity is gone, %v", err)
				}
			})
		})
	}
}

func TestACheckSaysWhatIsWrongInOneLineEach(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		_, problems, err := w.checker.Check(t.Context(), alice, "example.org")
		want := []string{"example.org: not verified", "._domainkey.example.org: no TXT record", "example.org: no SPF record", "_dmarc.example.org: no DMARC record"}
		if err != nil || len(problems) != len(want) {
			t.Fatalf("%q, %v", problems, err)
		}
		for n, p := range problems {
			if !strings.Contains(p, want[n]) || strings.Contains(p, "\n") {
				t.Errorf("line %d: %q", n, p)
			}
		}
		w.zone.publish(w.Records(i))
		i, problems, err = w.checker.Check(t.Context(), alice, "example.org")
		if err != nil || len(problems) != 0 || !i.Verified {
			t.Errorf("%+v, %q, %v", i, problems, err)
		}
		if _, _, err := w.checker.Check(t.Context(), alice, "example.net"); err == nil {
			t.Error("an identity that is not there was checked")
		}
	})
}

func TestALookThatIsOverlaidByALaterOneChangesNothing(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		held, release := make(chan struct{}), make(chan struct{})
		w.zone.hold(held, release) // the next question waits after its answer is known
		done := make(chan error, 1)
		go func() {
			_, _, err := w.checker.Check(t.Context(), alice, "example.org")
			done <- err
		}()
		<-held
		w.zone.publish(w.Records(i))
		if i, _, err := w.checker.Check(t.Context(), alice, "example.org"); err != nil || !i.Verified {
			t.Fatalf("%+v, %v", i, err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w.is("example.org", "SUCCESS", "SUCCESS")
	})
}

func TestAnAccountHasAtMost10000Identities(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	name := func(n int) string {
		return "a" + string(rune('a'+n%26)) + string(rune('a'+n/26%26)) + string(rune('a'+n/676%26)) + ".example.org"
	}
	for n := range identity.MaxPerAccount {
		add(t, b, alice, name(n), identity.AddOptions{})
	}
	if _, err := b.Add(t.Context(), alice, "more.example.org", identity.AddOptions{}); !errors.Is(err, identity.ErrLimit) {
		t.Errorf("one more: %v", err)
	}
	add(t, b, bob, "more.example.org", identity.AddOptions{})
	if err := b.Remove(t.Context(), alice, name(0)); err != nil {
		t.Fatal(err)
	}
	add(t, b, alice, "more.example.org", identity.AddOptions{})
	if n := b.Count(alice); n != identity.MaxPerAccount {
		t.Errorf("%d identities", n)
	}
}

func TestWhatTheFirstVersionWroteIsRead(t *testing.T) {
	dir := &accounttest.Directory{}
	for name, data := range map[string]string{
		"example.org":     `{"v":1,"created":"2026-11-01T00:00:00Z","verified":true,"keys":[{"selector":"s1","algorithm":"rsa","txt":"v=DKIM1; k=rsa; p=AA","sealed":""}]}`,
		"example.com":     `{"v":1,"created":"2026-11-01T00:00:00Z","keys":[{"selector":"s2","algorithm":"rsa","txt":"v=DKIM1; k=rsa; p=AA","sealed":""}]}`,
		"ann@example.net": `{"v":1,"created":"2026-11-01T00:00:00Z","verified":true}`,
	} {
		if _, err := dir.Put(t.Context(), account.Record{Kind: account.KindIdentity, Account: alice, Name: name, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, dir, keys(t))
	if got := b.KeyRefs(alice, "example.org"); !slices.Equal(got, []string{"example.org/s1"}) {
		t.Errorf("signs with %v", got)
	}
	if i, err := b.Get(alice, "example.com"); err != nil || i.Verified || i.Status() != "pending" {
		t.Errorf("%+v, %v", i, err)
	}
	if _, ok := b.Covers(alice, must(mail.ParseAddress("ann@example.net"))); !ok {
		t.Error("the address is not verified any more")
	}
}
