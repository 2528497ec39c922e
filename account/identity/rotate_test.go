package identity_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/mail"
)

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

func TestAKeyBroughtLaterProvesNothingUntilDNSShowsIt(t *testing.T) {

	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		add(t, w.Book, alice, "example.org", identity.AddOptions{})
		i, err := w.RotateDKIM(t.Context(), alice, "example.org", "mine", []byte(private))
		if err != nil {
			t.Fatal(err)
		}
		w.after(10 * time.Minute)
		w.is("example.org", "PENDING", "PENDING")
		if _, ok := w.Covers(alice, must(mail.ParseAddress("ann@example.org"))); ok {
			t.Fatal("a domain counts that DNS says nothing of")
		}
		if _, lines, err := w.checker.Check(t.Context(), alice, "example.org"); err != nil || len(lines) == 0 {
			t.Errorf("a check finds nothing wrong: %v, %v", lines, err)
		}
		w.zone.publish(w.Records(i))
		w.after(10 * time.Minute)
		w.is("example.org", "SUCCESS", "SUCCESS")
		if got := w.KeyRefs(alice, "example.org"); !slices.Equal(got, []string{"example.org/mine"}) {
			t.Fatalf("signs with %v", got)
		}
	})
}
