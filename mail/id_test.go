package mail_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// recorded is an id that SES gave (spec section 3.4).
const recorded = "0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000"

var accepted = time.Date(2025, 11, 6, 17, 6, 10, 123_456_789, time.UTC)

func minter(t testing.TB, lane uint16, epoch uint32) *mail.Minter {
	t.Helper()
	m, err := mail.NewMinter([]byte("0123456789abcdef"), lane, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnIDHasTheShapeOfSES(t *testing.T) {
	shape := regexp.MustCompile(`^0100[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-000000$`)
	for _, m := range []*mail.Minter{minter(t, 0, 0), minter(t, 4095, 1<<20-1)} {
		for range 100 {
			if s := m.New(accepted).String(); !shape.MatchString(s) || len(s) != 60 {
				t.Fatal(s)
			}
		}
	}
}

func TestARecordedIDComesBackAsItWas(t *testing.T) {
	for _, in := range []string{recorded, strings.ToUpper(recorded)} {
		id, err := mail.ParseID(in)
		if err != nil || id.String() != recorded {
			t.Fatalf("%v, %v", id, err)
		}
		if got := id.Time().UTC(); !got.Equal(time.UnixMilli(0x018b8375d149)) {
			t.Error(got)
		}
	}
}

func TestAnIDCarriesTimeLaneAndEpoch(t *testing.T) {
	for _, c := range []struct {
		lane  uint16
		epoch uint32
	}{{0, 0}, {1, 2}, {4095, 1<<20 - 1}, {4095, 0}, {0, 1<<20 - 1}, {0xabc, 0x54321}} {
		m := minter(t, c.lane, c.epoch)
		for range 3 {
			id := m.New(accepted)
			if id.Lane() != c.lane || id.Epoch() != c.epoch {
				t.Errorf("lane %d, epoch %d; want %+v", id.Lane(), id.Epoch(), c)
			}
			if !id.Time().Equal(accepted.Truncate(time.Millisecond)) {
				t.Errorf("time %v", id.Time())
			}
			if again, err := mail.ParseID(id.String()); err != nil || again != id {
				t.Errorf("came back as %v, %v", again, err)
			}
		}
	}
}

func TestIDsAreUniqueAndSortByTime(t *testing.T) {
	m := minter(t, 7, 9)
	seen := make(map[mail.ID]bool)
	var last mail.ID
	for i := range 10_000 {
		id := m.New(accepted.Add(time.Duration(i/10) * time.Millisecond))
		if seen[id] {
			t.Fatalf("%v twice", id)
		}
		seen[id] = true
		if bytes.Compare(last[:], id[:]) >= 0 || last.String() >= id.String() && i > 0 {
			t.Fatalf("%v does not sort after %v", id, last)
		}
		last = id
	}
}

func TestOnlyOurIDsVerify(t *testing.T) {
	m := minter(t, 7, 9)
	id := m.New(accepted)
	if !m.Verify(id) || !minter(t, 0, 0).Verify(id) {
		t.Error("our id does not verify in another lane or epoch")
	}
	for i := range id {
		for bit := range 8 {
			forged := id
			forged[i] ^= 1 << bit
			if m.Verify(forged) {
				t.Errorf("bit %d of octet %d may change", bit, i)
			}
		}
	}
	other, err := mail.NewMinter([]byte("another key here"), 7, 9)
	if err != nil {
		t.Fatal(err)
	}
	if other.Verify(id) || m.Verify(mail.ID{}) {
		t.Error("an id that is not ours verifies")
	}
}

func TestADerivedIDIsTheSameAgainAndLiesBesideItsParent(t *testing.T) {
	m := minter(t, 7, 9)
	parent := m.New(accepted)
	at := accepted.Add(time.Hour)
	id := m.Derive(parent, at, "dsn")
	if again := minter(t, 8, 10).Derive(parent, at, "dsn"); again != id {
		t.Errorf("%v, then %v after a restart", id, again)
	}
	if !m.Verify(id) || id.Lane() != parent.Lane() || !id.Time().Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("%v: lane %d, time %v", id, id.Lane(), id.Time())
	}
	if orphan := m.Derive(mail.ID{}, at, "dsn"); !m.Verify(orphan) || orphan.Lane() != 7 || orphan != minter(t, 7, 10).Derive(mail.ID{}, at, "dsn") {
		t.Errorf("%v without a parent: lane %d", orphan, orphan.Lane())
	}
	for name, other := range map[string]mail.ID{
		"parent": parent, "label": m.Derive(parent, at, "dsn2"), "time": m.Derive(parent, at.Add(time.Second), "dsn"),
		"another parent": m.Derive(m.New(accepted), at, "dsn"),
	} {
		if other == id {
			t.Errorf("%s gives the same id", name)
		}
	}
}

func TestWhatIsNoIDIsRefused(t *testing.T) {
	for _, s := range []string{
		"", "0100", recorded[:59], recorded + "0", "0101" + recorded[4:], strings.Replace(recorded, "-", "_", 1),
		strings.Replace(recorded, "8b83", "8g83", 1), recorded[:53] + "-000001", strings.Repeat("0", 60),
		strings.Replace(recorded, "-37e5-4873-", "-37e54-873-", 1), " " + recorded[1:],
	} {
		if id, err := mail.ParseID(s); !errors.Is(err, mail.ErrID) || !id.IsZero() {
			t.Errorf("%q: %v, %v", s, id, err)
		}
	}
}

func TestAMinterWantsASecretAndARange(t *testing.T) {
	for name, c := range map[string]struct {
		key   string
		lane  uint16
		epoch uint32
	}{
		"a short key": {"0123456789abcde", 0, 0}, "a lane": {"0123456789abcdef", 4096, 0},
		"an epoch": {"0123456789abcdef", 0, 1 << 20},
	} {
		if _, err := mail.NewMinter([]byte(c.key), c.lane, c.epoch); err == nil {
			t.Errorf("%s out of range was taken", name)
		}
	}
}

func TestAnIDSurvivesJSON(t *testing.T) {
	id := minter(t, 1, 1).New(accepted)
	for _, want := range []mail.ID{id, {}} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := id
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Errorf("%s became %v, %v", text, got, err)
		}
	}
	var got mail.ID
	if err := json.Unmarshal([]byte(`""`), &got); err != nil || !got.IsZero() {
		t.Errorf("%v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`"x"`), &got); !errors.Is(err, mail.ErrID) {
		t.Error(err)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(recorded)
	f.Add(strings.ToUpper(recorded))
	m := minter(f, 0, 0)
	f.Fuzz(func(t *testing.T, in string) {
		id, err := mail.ParseID(in)
		if err == nil && (id.String() != strings.ToLower(in) || m.Verify(id)) {
			t.Errorf("%q became %v", in, id)
		}
	})
}
