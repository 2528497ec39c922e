package suppression_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/suppression"
)

// letters are sets that are each for a mailing list.
type letters map[string]string

func (s letters) Find(_, name string) (configset.Set, bool) {
	list, ok := s[name]
	return configset.Set{Unsubscribe: list, Suppression: configset.SuppressNone}, ok
}

func TestWhoLeftAListGetsNoMoreOfItAndAllElse(t *testing.T) {
	l := suppression.New(suppression.Options{Store: &memory{}, Installation: true, Sets: letters{"spring": "news", "autumn": "news", "offers": "shop", "bills": ""},
		Accounts: tenants{shop: {ID: shop, Production: true}}})
	left := suppression.Entry{Owner: shop, Address: address(t, "Ann@example.org"), Reason: suppression.Unsubscribe, List: "news"}
	if err := l.Collect(t.Context(), []suppression.Entry{left}); err != nil {
		t.Fatal(err)
	}
	to := address(t, "ann@Example.org")
	out := func(set string) string {
		t.Helper()
		found, err := l.Find(t.Context(), l.Rule(shop, set), to)
		if err != nil {
			t.Fatal(err)
		}
		m := found[to]
		if m == nil {
			return ""
		}
		return m.SubType
	}
	for set, want := range map[string]string{"spring": suppression.Unsubscribed, "autumn": suppression.Unsubscribed, "offers": "", "bills": "", "": "", "gone": ""} {
		if got := out(set); got != want {
			t.Errorf("under %q: %q, want %q", set, got, want)
		}
	}
	// A bounce is an entry of its own, and neither ends the other.
	bounced := suppression.Entry{Owner: shop, Address: to, Reason: suppression.Bounce}
	if err := l.Collect(t.Context(), []suppression.Entry{bounced}); err != nil {
		t.Fatal(err)
	}
	if got := out(""); got != suppression.OnAccountList {
		t.Errorf("after a bounce: %q", got)
	}
	if err := l.Delete(t.Context(), shop, to); err != nil || out("spring") != suppression.Unsubscribed {
		t.Errorf("the bounce taken off: %v, under spring %q", err, out("spring"))
	}
	if e, err := l.Left(t.Context(), shop, to, "news"); err != nil || e.Address != left.Address {
		t.Errorf("%+v, %v", e, err)
	}
	for _, want := range []error{nil, account.ErrNotFound} {
		if err := l.Rejoin(t.Context(), shop, to, "news"); !errors.Is(err, want) {
			t.Errorf("rejoined: %v, want %v", err, want)
		}
	}
	if got := out("spring"); got != "" {
		t.Errorf("after the way back: %q", got)
	}
}

func TestTheInstallationHasNoMailingLists(t *testing.T) {
	l := newLists(&memory{}, account.Account{Production: true})
	done, err := l.Import(t.Context(), suppression.Installation, strings.NewReader("a@example.org,UNSUBSCRIBE,,,,news\na@example.org\n"),
		suppression.ImportOptions{Form: suppression.CSV})
	if err != nil || done.Failed != 1 || done.Changed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestAKeyIsTakenApartAsItWasPutTogether(t *testing.T) {
	for _, text := range []string{"ann@example.org", `"a b@c news"@example.org`, "x@[192.0.2.1]"} {
		for _, list := range []string{"", "news"} {
			e := suppression.Entry{Address: address(t, text), List: list}
			if a, l := suppression.CutKey(e.Key()); a != suppression.Key(e.Address) || l != list {
				t.Errorf("%q: %q and %q", e.Key(), a, l)
			}
		}
	}
}
