package quota_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/internal/keyfile"
)

// ledger says the same of every account.
type ledger struct{ used atomic.Int64 }

func (l *ledger) Usage(context.Context, string, time.Time, int64) (quota.Usage, error) {
	return quota.Usage{Used: l.used.Load()}, nil
}

func TestANearlyUsedQuotaIsToldOnceADay(t *testing.T) {
	k, err := keyfile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		dir := &accounttest.Directory{}
		open := func() *account.Book {
			b, err := account.Open(t.Context(), account.Options{Directory: dir, Keys: k, Derive: func(s string) string { return s }})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		b := open()
		if _, err := b.Create(t.Context(), account.Account{Name: "shop", MaxDay: 100}); err != nil {
			t.Fatal(err)
		}
		var l ledger
		var warned atomic.Int64
		var deaf atomic.Bool // nobody takes a warning
		watch := func(b *account.Book, f func()) {
			ctx, cancel := context.WithCancel(t.Context())
			w := &quota.Watch{Accounts: b, Ledger: &l, Warn: func(_ context.Context, a account.Account, _ quota.Usage) error {
				if a.Name != "shop" {
					t.Errorf("warned of %s", a.Name)
				}
				warned.Add(1)
				if deaf.Load() {
					return errors.New("disk is full")
				}
				return nil
			}}
			done := make(chan error, 1)
			go func() { done <- w.Run(ctx) }()
			f()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		want := func(n int64) {
			t.Helper()
			synctest.Wait()
			if got := warned.Load(); got != n {
				t.Fatalf("warned %d times, want %d", got, n)
			}
		}
		watch(b, func() {
			l.used.Store(79)
			time.Sleep(time.Hour)
			want(0)
			l.used.Store(80)
			time.Sleep(2 * time.Minute)
			want(1) // and account default, which has no limit, never
			time.Sleep(22 * time.Hour)
			want(1)
		})
		watch(open(), func() { // after a restart
			time.Sleep(time.Hour)
			want(1)
			time.Sleep(2 * time.Hour)
			want(2)
			deaf.Store(true)
			time.Sleep(24 * time.Hour) // beyond a day after the second, which was within the last two hours
			synctest.Wait()
			if got := warned.Load(); got < 2+30 {
				t.Errorf("tried %d times", got-2)
			}
		})
		deaf.Store(false)
		before := warned.Load()
		watch(open(), func() { // what was not taken is told again after a restart
			time.Sleep(time.Hour)
			want(before + 1)
		})
	})
}

// halfDeaf fails for one account.
type halfDeaf struct{ account string }

func (l halfDeaf) Usage(_ context.Context, id string, _ time.Time, limit int64) (quota.Usage, error) {
	if id == l.account {
		return quota.Usage{}, errors.New("unreadable")
	}
	return quota.Usage{Used: limit}, nil
}

func TestAQuotaThatCannotBeReadHidesNoOther(t *testing.T) {
	k, err := keyfile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b, err := account.Open(t.Context(), account.Options{Directory: &accounttest.Directory{}, Keys: k, Derive: func(s string) string { return s }})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, name := range []string{"one", "two"} {
			a, err := b.Create(t.Context(), account.Account{Name: name, MaxDay: 100})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, a.ID)
		}
		var told []string
		w := &quota.Watch{Accounts: b, Ledger: halfDeaf{slices.Min(ids)}, Warn: func(_ context.Context, a account.Account, _ quota.Usage) error {
			told = append(told, a.ID)
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		if err := w.Run(ctx); err != nil || !slices.Equal(told, []string{slices.Max(ids)}) {
			t.Errorf("told %v of %v, %v", told, ids, err)
		}
	})
}
