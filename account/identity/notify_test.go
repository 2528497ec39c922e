package identity_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
)

func TestForwardingAndHeadersAreKept(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	add(t, b, alice, "example.org", identity.AddOptions{Verified: true})
	if !b.Forwards(alice, "example.org") || !b.Forwards(alice, "gone.example.org") || b.ShowsHeaders(alice, "example.org", "bounce") {
		t.Error("a new identity hears by mail, and notifications have no headers")
	}
	off := false
	if _, err := b.SetNotifications(t.Context(), alice, "example.org", identity.Notifications{Forwarding: &off, Headers: []string{"delivery", "bounce"}}); err != nil {
		t.Fatal(err)
	}
	i, err := b.SetNotifications(t.Context(), alice, "example.org", identity.Notifications{})
	if err != nil || !i.NoForwarding || !slices.Equal(i.Headers, []string{"bounce", "delivery"}) {
		t.Errorf("got %+v, %v", i, err)
	}
	b = open(t, dir, k)
	if b.Forwards(alice, "example.org") || !b.Forwards(bob, "example.org") || !b.ShowsHeaders(alice, "example.org", "bounce") || b.ShowsHeaders(alice, "example.org", "complaint") {
		t.Errorf("got %+v", i)
	}
	if _, err := b.SetNotifications(t.Context(), alice, "example.org", identity.Notifications{Headers: []string{"send"}}); !errors.Is(err, identity.ErrSetting) {
		t.Errorf("got %v", err)
	}
	if i, err = b.SetNotifications(t.Context(), alice, "example.org", identity.Notifications{Headers: []string{}}); err != nil || len(i.Headers) > 0 {
		t.Errorf("got %+v, %v", i, err)
	}
}

func TestHeadersAreShownInOneTypeOfNotification(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	add(t, b, alice, "example.org", identity.AddOptions{})
	for _, tt := range []struct {
		word string
		show bool
		want string
	}{
		{"delivery", true, "delivery"}, {"bounce", true, "bounce delivery"}, {"bounce", true, "bounce delivery"},
		{"delivery", false, "bounce"}, {"complaint", false, "bounce"},
	} {
		i, err := b.SetHeaders(t.Context(), alice, "example.org", tt.word, tt.show)
		if err != nil || strings.Join(i.Headers, " ") != tt.want {
			t.Errorf("%v: %v, %v", tt, i.Headers, err)
		}
	}
	if _, err := b.SetHeaders(t.Context(), alice, "example.org", "send", true); !errors.Is(err, identity.ErrSetting) {
		t.Error(err)
	}
}
