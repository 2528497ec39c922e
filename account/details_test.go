package account_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
)

func TestTheWishForProductionIsKeptAndReviewed(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	a, err := b.Create(t.Context(), account.Account{Name: "shop"})
	if err != nil || a.Review() != account.ReviewNone {
		t.Fatalf("%v, review %q", err, a.Review())
	}
	change := func(f func(*account.Account), want account.Review) {
		t.Helper()
		a, err := b.Update(t.Context(), "shop", f)
		if err != nil || a.Review() != want {
			t.Errorf("review %q, want %q, %v", a.Review(), want, err)
		}
		if again, err := open(t, dir, k).Lookup("shop"); err != nil || again.Review() != want {
			t.Errorf("read again: review %q, want %q, %v", again.Review(), want, err)
		}
	}
	told := account.Details{MailType: "MARKETING", WebsiteURL: "https://example.org/", UseCase: "news\nof us", Contacts: []string{"ann@example.org"}}
	change(func(a *account.Account) { d := told; a.Details = &d }, account.ReviewNone)
	asks := told
	asks.Asks = true
	change(func(a *account.Account) { d := asks; a.Details = &d }, account.ReviewPending)
	denied := asks
	denied.Denied = true
	change(func(a *account.Account) { a.Details = &denied }, account.ReviewDenied)
	change(func(a *account.Account) { a.Production = true }, account.ReviewGranted)
	if a, _ := open(t, dir, k).Lookup("shop"); a.Details.UseCase != told.UseCase || a.Details.Contacts[0] != told.Contacts[0] || a.Details.WebsiteURL != told.WebsiteURL {
		t.Errorf("kept %+v", a.Details)
	}
}

func TestDetailsThatMakeNoSense(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	for name, alter := range map[string]func(*account.Details){
		"another kind of mail": func(d *account.Details) { d.MailType = "SPAM" },
		"no kind of mail":      func(d *account.Details) { d.MailType = "" },
		"no address of a site": func(d *account.Details) { d.WebsiteURL = "example.org" },
		"a site of two lines":  func(d *account.Details) { d.WebsiteURL = "https://example.org\nstatus" },
		"a long site":          func(d *account.Details) { d.WebsiteURL += strings.Repeat("x", 1000) },
		"another language":     func(d *account.Details) { d.Language = "DE" },
		"a long use case":      func(d *account.Details) { d.UseCase = strings.Repeat("x", 5001) },
		"many contacts":        func(d *account.Details) { d.Contacts = make([]string, 5) },
		"a contact that is no address": func(d *account.Details) {
			d.Contacts = []string{"ann"}
		},
	} {
		_, err := b.Update(t.Context(), account.DefaultID, func(a *account.Account) {
			d := account.Details{MailType: "TRANSACTIONAL", WebsiteURL: "http://example.org"}
			alter(&d)
			a.Details = &d
		})
		if !errors.Is(err, account.ErrDetails) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
