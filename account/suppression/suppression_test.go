package suppression_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/mail"
)

// memory is a store that forgets everything at the end of the test.
type memory struct {
	mu      sync.Mutex
	entries map[[2]string]suppression.Entry
	puts    int // calls
	err     error
}

func (m *memory) Get(_ context.Context, owner, key string) (suppression.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[[2]string{owner, key}]
	if !ok {
		return e, cmp.Or(m.err, account.ErrNotFound)
	}
	return e, m.err
}

func (m *memory) Among(_ context.Context, owner string, keys []string) (map[string]suppression.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := make(map[string]suppression.Entry)
	for _, key := range keys {
		if e, ok := m.entries[[2]string{owner, key}]; ok {
			found[key] = e
		}
	}
	return found, m.err
}

func (m *memory) Put(_ context.Context, entries []suppression.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.puts++
	if m.entries == nil {
		m.entries = map[[2]string]suppression.Entry{}
	}
	for _, e := range entries {
		m.entries[[2]string{e.Owner, e.Key()}] = e
	}
	return nil
}

func (m *memory) Delete(_ context.Context, owner string, keys []string) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if _, ok := m.entries[[2]string{owner, k}]; ok {
			delete(m.entries, [2]string{owner, k})
			n++
		}
	}
	return n, m.err
}

func (m *memory) Page(_ context.Context, owner, after string, limit int) ([]suppression.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []suppression.Entry
	for k, e := range m.entries {
		if k[0] == owner && k[1] > after {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(x, y suppression.Entry) int {
		return strings.Compare(x.Key(), y.Key())
	})
	return out[:min(limit, len(out))], m.err
}

// tenants are accounts by id.
type tenants map[string]account.Account

func (t tenants) Lookup(id string) (account.Account, error) {
	a, ok := t[id]
	if !ok {
		return a, account.ErrNotFound
	}
	return a, nil
}

const shop = "000000000002"

func newLists(m *memory, a account.Account) *suppression.Lists {
	a.ID = shop
	return suppression.New(suppression.Options{Store: m, Accounts: tenants{shop: a}, Installation: true})
}

func address(t testing.TB, text string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func all(t *testing.T, l *suppression.Lists, owner string, f suppression.Filter) (out []string) {
	t.Helper()
	for e, err := range l.All(t.Context(), owner, f) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Address.String())
	}
	return out
}

func ExampleLists_Find() {
	lists := suppression.New(suppression.Options{Store: &memory{}, Accounts: tenants{shop: {ID: shop, Production: true}}})
	ctx := context.Background()
	bob, _ := suppression.ParseAddress("Bob@Example.com")
	if _, err := lists.Put(ctx, suppression.Entry{Owner: shop, Address: bob, Reason: suppression.Bounce}); err != nil {
		fmt.Println(err)
	}
	to, _ := mail.ParseAddress("bob@example.com")
	found, err := lists.Find(ctx, lists.Rule(shop, ""), to)
	match := found[to]
	fmt.Println(match.Address, match.SubType, match.Reply.String(), err)
	// Output: Bob@example.com OnAccountSuppressionList 550 5.1.1 sesame did not send the message to this address because it is on the suppression list for your account. <nil>
}

func TestThePeopleOfASandboxAddNothingAndTheHouseDoes(t *testing.T) {
	l := newLists(&memory{}, account.Account{})
	e := suppression.Entry{Owner: shop, Address: address(t, "a@example.org"), Reason: suppression.Bounce}
	if _, err := l.Put(t.Context(), e); !errors.Is(err, suppression.ErrSandbox) {
		t.Errorf("put: %v", err)
	}
	_, err := l.Import(t.Context(), shop, strings.NewReader("a@example.org\n"), suppression.ImportOptions{Form: suppression.CSV})
	if !errors.Is(err, suppression.ErrSandbox) {
		t.Errorf("import: %v", err)
	}
	if err := l.Collect(t.Context(), []suppression.Entry{e}); err != nil || len(all(t, l, shop, suppression.Filter{})) != 1 {
		t.Errorf("collect: %v", err)
	}
	done, err := l.Import(t.Context(), shop, strings.NewReader("A@example.org\n"), suppression.ImportOptions{Form: suppression.CSV, Delete: true})
	if err != nil || done.Changed != 1 {
		t.Errorf("taking off: %+v, %v", done, err)
	}
}

func TestWhatIsNoEntryIsRefused(t *testing.T) {
	l := newLists(&memory{}, account.Account{Production: true})
	good := suppression.Entry{Owner: shop, Address: address(t, "a@example.org"), Reason: suppression.Bounce}
	for want, spoil := range map[error]func(*suppression.Entry){
		suppression.ErrReason:  func(e *suppression.Entry) { e.Reason = 4 },
		suppression.ErrList:    func(e *suppression.Entry) { e.Reason = suppression.Unsubscribe },
		suppression.ErrAddress: func(e *suppression.Entry) { e.Address = mail.Address{} },
		suppression.ErrLong:    func(e *suppression.Entry) { e.FeedbackID = strings.Repeat("x", 129) },
		account.ErrNotFound:    func(e *suppression.Entry) { e.Owner = "000000000003" },
	} {
		e := good
		spoil(&e)
		if _, err := l.Put(t.Context(), e); !errors.Is(err, want) {
			t.Errorf("%+v: %v, want %v", e, err, want)
		}
	}
}

func TestTheListOfTheInstallationForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		l := newLists(m, account.Account{Production: true, Suppress: account.SuppressNone})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		to := address(t, "bob@example.org")
		e := suppression.Entry{Owner: suppression.Installation, Address: to, Reason: suppression.Bounce}
		if err := l.Collect(ctx, []suppression.Entry{e}); err != nil {
			t.Fatal(err)
		}
		rule := l.Rule(shop, "")
		time.Sleep(suppression.Life - time.Minute)
		if m, err := l.Find(ctx, rule, to); m[to] == nil || m[to].SubType != suppression.Suppressed || err != nil {
			t.Errorf("before its end: %+v, %v", m, err)
		}
		time.Sleep(time.Minute)
		if m, err := l.Find(ctx, rule, to); m != nil || err != nil {
			t.Errorf("after its end: %+v, %v", m, err)
		}
		if _, err := l.Get(ctx, suppression.Installation, to); !errors.Is(err, account.ErrNotFound) || len(all(t, l, suppression.Installation, suppression.Filter{})) != 0 {
			t.Errorf("shown after its end: %v", err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		m.mu.Lock()
		if len(m.entries) != 0 {
			t.Errorf("%d entries are kept", len(m.entries))
		}
		m.mu.Unlock()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestManyPagesAreListedAndRemoved(t *testing.T) {
	m := &memory{}
	l := newLists(m, account.Account{Production: true})
	entries := make([]suppression.Entry, 2500)
	for i := range entries {
		entries[i] = suppression.Entry{Owner: shop, Address: address(t, fmt.Sprintf("U%04d@example.org", i)), Reason: suppression.Reason(i%2 + 1),
			Updated: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)}
	}
	other := suppression.Entry{Owner: suppression.Installation, Address: address(t, "other@example.org"), Reason: suppression.Bounce}
	if err := l.Collect(t.Context(), append(entries, other)); err != nil {
		t.Fatal(err)
	}
	got := all(t, l, shop, suppression.Filter{})
	if len(got) != len(entries) || !slices.IsSorted(got) {
		t.Errorf("%d listed", len(got))
	}
	f := suppression.Filter{Reasons: []suppression.Reason{suppression.Complaint}, Since: entries[1000].Updated, Until: entries[1010].Updated}
	if got := all(t, l, shop, f); len(got) != 5 || got[0] != "U1001@example.org" || got[4] != "U1009@example.org" {
		t.Errorf("narrowed: %s", got)
	}
	if err := l.RemoveAll(t.Context(), shop); err != nil || len(all(t, l, shop, suppression.Filter{})) != 0 {
		t.Errorf("not all removed: %v", err)
	}
	if len(all(t, l, suppression.Installation, suppression.Filter{})) != 1 {
		t.Error("removed from another's list")
	}
}

func TestTheRuleThatAddsIsTheRuleThatLeavesOut(t *testing.T) {
	sets := sets{"none": configset.SuppressNone, "bounce": configset.SuppressBounces, "complaint": configset.SuppressComplaints,
		"all": configset.SuppressAll, "account": configset.SuppressAccount}
	for _, test := range []struct {
		account          account.Suppress
		set              string
		installation     bool
		bounce, complain string // the lists they join
	}{
		{account.SuppressAll, "", true, "account installation", "account"},
		{account.SuppressAll, "", false, "account", "account"},
		{account.SuppressBounces, "", true, "account installation", ""},
		{account.SuppressComplaints, "", true, "installation", "account"},
		{account.SuppressNone, "", true, "installation", ""},
		{account.SuppressNone, "", false, "", ""},
		{account.SuppressNone, "gone", false, "", ""},
		{account.SuppressNone, "account", false, "", ""},
		{account.SuppressAll, "none", true, "installation", ""},
		{account.SuppressNone, "bounce", false, "account", ""},
		{account.SuppressNone, "complaint", false, "", "account"},
		{account.SuppressBounces, "all", false, "account", "account"},
	} {
		l := suppression.New(suppression.Options{Store: &memory{}, Sets: sets, Installation: test.installation,
			Accounts: tenants{shop: {ID: shop, Suppress: test.account}}})
		rule := l.Rule(shop, test.set)
		for reason, want := range map[suppression.Reason]string{suppression.Bounce: test.bounce, suppression.Complaint: test.complain} {
			var got []string
			for _, e := range rule.Adds(suppression.Entry{Reason: reason}) {
				name := "account"
				if e.Owner == suppression.Installation {
					name = "installation"
				}
				got = append(got, name)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("account %q, set %q, %s: joins %q, want %q", test.account, test.set, reason, got, want)
			}
			if rule.Reasons.Has(reason) != strings.HasPrefix(want, "account") {
				t.Errorf("account %q, set %q: %s is added and left out by different rules", test.account, test.set, reason)
			}
		}
	}
	if r := newLists(&memory{}, account.Account{}).Rule("000000000009", ""); !r.Off() || r.Share {
		t.Errorf("an account that is gone has the rule %+v", r)
	}
}

// sets have their own word for suppression.
type sets map[string]configset.Suppression

func (s sets) Find(_, name string) (configset.Set, bool) {
	word, ok := s[name]
	return configset.Set{Suppression: word}, ok
}

func TestALookUpThatFailsIsAnError(t *testing.T) {
	m := &memory{err: errors.New("disk on fire")}
	l := newLists(m, account.Account{Production: true})
	if match, err := l.Find(t.Context(), l.Rule(shop, ""), address(t, "a@example.org")); err == nil || match != nil {
		t.Errorf("%v, %v", match, err)
	}
	off := newLists(m, account.Account{})
	rule := off.Rule(shop, "")
	rule.Reasons, rule.Shun = 0, false
	if _, err := off.Find(t.Context(), rule, address(t, "a@example.org")); err != nil {
		t.Errorf("a list that is off was asked: %v", err)
	}
}

func TestWhatIsExportedIsImportedAgain(t *testing.T) {
	for _, form := range []suppression.Form{suppression.CSV, suppression.JSONL} {
		from, to := &memory{}, &memory{}
		source, target := newLists(from, account.Account{Production: true}), newLists(to, account.Account{Production: true})
		for _, e := range []suppression.Entry{
			{Address: address(t, "Ann@example.org"), Reason: suppression.Bounce, Updated: time.UnixMilli(1_700_000_000_123)},
			{Address: address(t, `"a,\"b\" c"@example.org`), Reason: suppression.Complaint, Updated: time.Unix(1, 0), MessageID: `m,"1`, FeedbackID: "f<&>"},
			{Address: address(t, "Ann@example.org"), Reason: suppression.Unsubscribe, List: "news", Updated: time.Unix(2, 0)},
		} {
			e.Owner = shop
			if err := source.Collect(t.Context(), []suppression.Entry{e}); err != nil {
				t.Fatal(err)
			}
		}
		var file bytes.Buffer
		w, err := suppression.NewWriter(&file, form)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range source.All(t.Context(), shop, suppression.Filter{}) {
			if err := errors.Join(err, w.Write(e)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		text := file.String()
		for i, want := range []int{3, 0} {
			done, err := target.Import(t.Context(), shop, strings.NewReader(text), suppression.ImportOptions{Form: form})
			if err != nil || done.Changed != want || done.Lines != 3 || done.Failed != 0 {
				t.Errorf("%s, import %d: %+v, %v\n%s", form, i+1, done, err, text)
			}
		}
		if fmt.Sprint(from.entries) != fmt.Sprint(to.entries) {
			t.Errorf("%s: %v became %v", form, from.entries, to.entries)
		}
	}
	if _, err := suppression.NewWriter(nil, "xml"); !errors.Is(err, suppression.ErrForm) {
		t.Errorf("xml: %v", err)
	}
}

func TestALongFileIsTakenInSteps(t *testing.T) {
	m := &memory{}
	l := newLists(m, account.Account{Production: true})
	const n = 45_000
	var b strings.Builder
	b.WriteString("\ufeffaddress,reason\r\n\r\n")
	for i := range n {
		fmt.Fprintf(&b, "user%d@example.org,complaint\r\n", i)
	}
	b.WriteString(strings.Repeat("x", 10_000) + "@example.org\n")
	b.WriteString("user7@EXAMPLE.org,BOUNCE\nUser7@example.org,BOUNCE,,m-7") // the last holds
	steps := 0
	done, err := l.Import(t.Context(), shop, strings.NewReader(b.String()), suppression.ImportOptions{Form: suppression.CSV,
		Progress: func() { steps++ }})
	if err != nil || done.Lines != n+3 || done.Failed != 1 || done.Changed != n+1 || done.Unchanged != 1 || steps != 3 || m.puts != 3 {
		t.Errorf("%+v in %d steps, %v", done, steps, err)
	}
	if len(done.Errors) != 1 || done.Errors[0].Line != n+3 || done.Errors[0].Text != "a line has at most 4096 octets" {
		t.Errorf("errors %+v", done.Errors)
	}
	if e, err := l.Get(t.Context(), shop, address(t, "user7@example.org")); err != nil || e.MessageID != "m-7" || e.Address.Local() != "User7" {
		t.Errorf("%+v, %v", e, err)
	}
	m.err = errors.New("disk on fire")
	if _, err := l.Import(t.Context(), shop, strings.NewReader("new@example.org"), suppression.ImportOptions{Form: suppression.CSV}); !errors.Is(err, m.err) {
		t.Errorf("on a broken disk: %v", err)
	}
}

func FuzzImport(f *testing.F) {
	for _, text := range []string{
		"a@example.org,BOUNCE\n", `"a ""b"""@example.org,,2026-01-01T00:00:00Z`, `{"emailAddress":"x@y.test","reason":"COMPLAINT"}`,
		"{", `"`, "\xff@\x00", strings.Repeat(",", 9), "a@b.test,BOUNCE,2026-01-01T00:00:00+99:99", "0000-01-01", "a@b.test,,9999-12-31T23:59:59Z",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, table bool) {
		form := suppression.JSONL
		if table {
			form = suppression.CSV
		}
		m := &memory{}
		l := newLists(m, account.Account{Production: true})
		done, err := l.Import(context.Background(), shop, strings.NewReader(text), suppression.ImportOptions{Form: form})
		if err != nil || done.Lines != done.Changed+done.Unchanged+done.Failed || len(m.entries) > done.Changed {
			t.Fatalf("%+v, %v, %d kept", done, err, len(m.entries))
		}
		for k, e := range m.entries {
			if e.Owner != shop || suppression.Key(e.Address) != k[1] || e.Reason != suppression.Bounce && e.Reason != suppression.Complaint {
				t.Fatalf("kept %+v under %q", e, k)
			}
		}
	})
}
