package identity_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
)

// zone is a DNS in memory: "TYPE name" gives values. While down, nothing is
// answered.
type zone struct {
	mu      sync.Mutex
	records map[string][]string
	mx      map[string][]resolver.MX
	down    bool
	asked   int
	held    chan struct{} // closed when a question is held until release
	release chan struct{}
}

// hold makes the next question wait with its answer.
func (z *zone) hold(held, release chan struct{}) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.held, z.release = held, release
}

func (z *zone) wait() {
	z.mu.Lock()
	held, release := z.held, z.release
	z.held, z.release = nil, nil
	z.mu.Unlock()
	if held != nil {
		close(held)
		<-release
	}
}

func newZone() *zone { return &zone{records: map[string][]string{}, mx: map[string][]resolver.MX{}} }

func (z *zone) get(kind, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	if z.down {
		return nil, &resolver.Error{Kind: resolver.Failed, Name: name, Type: kind}
	}
	list, ok := z.records[kind+" "+name]
	if !ok {
		return nil, &resolver.Error{Kind: resolver.NotFound, Name: name, Type: kind}
	}
	return list, nil
}

func (z *zone) TXT(_ context.Context, name string) ([]string, resolver.Meta, error) {
	to, err := z.get("CNAME", name)
	if err == nil {
		name = to[0]
	}
	list, err := z.get("TXT", name)
	z.wait()
	return list, resolver.Meta{}, err
}

func (z *zone) CNAME(_ context.Context, name string) (string, resolver.Meta, error) {
	list, err := z.get("CNAME", name)
	if err != nil {
		return "", resolver.Meta{}, err
	}
	return list[0], resolver.Meta{}, nil
}

func (z *zone) MX(_ context.Context, domain string) ([]resolver.MX, resolver.Meta, error) {
	z.mu.Lock()
	list := z.mx[domain]
	z.mu.Unlock()
	if len(list) == 0 {
		_, err := z.get("MX", domain)
		return nil, resolver.Meta{}, err
	}
	return list, resolver.Meta{}, nil
}

func (z *zone) set(kind, name string, values ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.records[kind+" "+name] = values; len(values) == 0 {
		delete(z.records, kind+" "+name)
	}
}

// publish puts records where they are asked for.
func (z *zone) publish(records []identity.Record) {
	for _, r := range records {
		z.set(r.Type, r.Name, r.Value)
	}
}

func (z *zone) silence(down bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.down = down
}

func (z *zone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

// watched is a book with a checker that runs in a bubble.
type watched struct {
	*identity.Book
	t       *testing.T
	zone    *zone
	checker *identity.Checker
	changes []string
}

// watch runs f in a bubble. Key files are made outside of it.
func watch(t *testing.T, o identity.Options, f func(t *testing.T, w *watched)) {
	t.Helper()
	k := keys(t)
	synctest.Test(t, func(t *testing.T) { newWatched(t, k, o, f) })
}

func newWatched(t *testing.T, k *keyfile.File, o identity.Options, f func(t *testing.T, w *watched)) {
	w := &watched{t: t, zone: newZone()}
	o.Directory, o.Keys, o.Host = &accounttest.Directory{}, k, "mx1.example.com"
	var mu sync.Mutex
	o.Changed = func(c identity.Change) {
		mu.Lock()
		defer mu.Unlock()
		w.changes = append(w.changes, c.What+" "+string(c.To))
	}
	var err error
	if w.Book, err = identity.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.checker = identity.NewChecker(identity.CheckerOptions{Book: w.Book, DNS: w.zone})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.checker.Run(ctx) }()
	f(t, w)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// after lets time pass and the checker work.
func (w *watched) after(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func (w *watched) is(name, verification, dkim string) identity.Identity {
	w.t.Helper()
	i, err := w.Get(alice, name)
	if err != nil {
		w.t.Fatal(err)
	}
	if string(i.Verification.State) != verification || string(i.DKIM.State) != dkim {
		w.t.Fatalf("%s: verification %s, DKIM %s; want %s, %s", name, i.Verification.State, i.DKIM.State, verification, dkim)
	}
	return i
}

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
	for at, prefix := range map[string]string{"_sesame.example.org": "", "example.org": "sesame:"} {
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

func TestEasyDKIMStandsUnderTheServiceDomainAndTakesTurns(t *testing.T) {
	watch(t, identity.Options{Service: "mail.example.com", Feedback: "mx1.example.com"}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		records := w.Records(i)
		for n, r := range records[:3] {
			token, _, _ := strings.Cut(r.Name, ".")
			if len(token) != 32 || r.Type != "CNAME" || r.Name != token+"._domainkey.example.org" || r.Value != token+".dkim.mail.example.com" {
				t.Fatalf("record %d: %+v", n, r)
			}
		}
		w.zone.publish(records)
		w.after(10 * time.Minute)
		// The owner has done all; the operator has not published the keys.
		w.is("example.org", "SUCCESS", "PENDING")
		_, problems, err := w.checker.Check(t.Context(), alice, "example.org")
		if err != nil || !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, "sesame service records") }) {
			t.Errorf("%q, %v", problems, err)
		}
		published := func() []identity.Record {
			t.Helper()
			all, err := w.ServiceRecords()
			if err != nil {
				t.Fatal(err)
			}
			return slices.DeleteFunc(all, func(r identity.Record) bool { return !strings.Contains(r.Name, ".dkim.") })
		}
		if len(published()) != 2 {
			t.Fatalf("published: %+v", published())
		}
		w.zone.publish(published())
		w.after(time.Hour)
		w.is("example.org", "SUCCESS", "SUCCESS")

		first := w.KeyRefs(alice, "example.org")
		rotate := func() {
			t.Helper()
			if _, err := w.RotateDKIM(t.Context(), alice, "example.org", "", nil); err != nil {
				t.Fatal(err)
			}
			w.checker.Wake()
			w.after(10 * time.Minute)
		}
		// A zone that is behind: the next key cannot be seen, so nothing turns.
		behind := published()
		for _, r := range behind {
			if !strings.HasPrefix(first[0], "example.org/"+r.Name[:32]) {
				w.zone.set("TXT", r.Name)
			}
		}
		rotate()
		if got := w.KeyRefs(alice, "example.org"); !slices.Equal(got, first) {
			t.Fatalf("signs with %v before DNS shows it", got)
		}
		w.zone.publish(behind)
		w.after(10 * time.Minute)
		second := w.KeyRefs(alice, "example.org")
		if slices.Equal(second, first) || len(second) != 1 {
			t.Fatalf("signs with %v", second)
		}
		if len(published()) != 3 { // old, in use, next
			t.Fatalf("published: %+v", published())
		}
		if ks, err := w.Keys(t.Context(), alice, append(first, second...)); err != nil || len(ks) != 2 {
			t.Errorf("%d keys for what waits in the queue, %v", len(ks), err)
		}
		w.zone.publish(published())
		rotate()
		third := w.KeyRefs(alice, "example.org")
		if slices.Equal(third, second) || slices.Equal(third, first) {
			t.Fatalf("signs with %v", third)
		}
		if _, err := w.RotateDKIM(t.Context(), alice, "example.org", "", nil); err == nil || !strings.Contains(err.Error(), "must stay published until") {
			t.Errorf("a third rotation within a week: %v", err)
		}
		w.after(10 * 24 * time.Hour)
		i, _ = w.Get(alice, "example.org")
		uses := map[identity.Use]int{}
		for _, k := range i.Keys {
			uses[k.Use]++
		}
		if uses[identity.Signing] != 1 || uses[identity.Next] != 1 || uses[identity.Old] != 0 {
			t.Errorf("after the overlap: %v", uses)
		}
		w.zone.publish(published())
		rotate()
		if got := w.KeyRefs(alice, "example.org"); !slices.Equal(got, first) {
			t.Errorf("the first name's turn: %v", got)
		}
		w.is("example.org", "SUCCESS", "SUCCESS")
	})
}

func TestAKeyOfTheOwnersVerifiesAndIsReplacedByAnother(t *testing.T) {
	const one = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
	const two = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
	watch(t, identity.Options{Service: "mail.example.com"}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{Selector: "Mine", Private: []byte(one)})
		if r := w.Records(i)[0]; r.Name != "mine._domainkey.example.org" || r.Type != "TXT" {
			t.Fatalf("%+v", r)
		}
		w.zone.publish(w.Records(i))
		w.after(5 * time.Minute)
		w.is("example.org", "SUCCESS", "SUCCESS")
		if _, err := w.RotateDKIM(t.Context(), alice, "example.org", "mine", []byte(two)); err == nil {
			t.Error("a selector was taken twice")
		}
		i, err := w.RotateDKIM(t.Context(), alice, "example.org", "second", []byte(two))
		if err != nil {
			t.Fatal(err)
		}
		w.after(time.Hour)
		if got := w.KeyRefs(alice, "example.org"); !slices.Equal(got, []string{"example.org/mine"}) {
			t.Fatalf("signs with %v", got)
		}
		w.zone.publish(w.Records(i))
		w.after(10 * time.Minute)
		if got := w.KeyRefs(alice, "example.org"); !slices.Equal(got, []string{"example.org/second"}) {
			t.Fatalf("signs with %v", got)
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
				if _, err := w.SetMailFrom(t.Context(), alice, "example.org", bounce, false); err != nil {
					t.Fatal(err)
				}
				if w.MailFromRefused(alice, must(mail.ParseAddress("a@example.org"))) {
					t.Error("refused, though the default may take its place")
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
	if _, err := b.Add(t.Context(), alice, "more.example.org", identity.AddOptions{}); err != identity.ErrLimit {
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
