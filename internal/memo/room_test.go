package memo_test

import (
	"testing"

	"github.com/sesame-mta/sesame/internal/memo"
)

func TestWhatIsOldMakesRoomFirst(t *testing.T) {
	for name, c := range map[string]struct{ entries, old, want int }{
		"there is room":      {99, 50, 99},
		"some are old":       {100, 30, 70},
		"none is old":        {100, 0, 90},
		"hardly any is old":  {105, 2, 90},
		"all are old":        {100, 100, 0},
		"there is no memory": {0, 0, 0},
	} {
		m := map[int]bool{}
		for i := range c.entries {
			m[i] = i < c.old
		}
		memo.MakeRoom(m, 100, func(old bool) bool { return old })
		if len(m) != c.want {
			t.Errorf("%s: %d entries stay, want %d", name, len(m), c.want)
		}
		for k, old := range m {
			if old && c.entries >= 100 {
				t.Errorf("%s: %d is old and stays", name, k)
			}
		}
	}
	one := map[int]bool{1: false}
	if memo.MakeRoom(one, 1, func(old bool) bool { return old }); len(one) != 0 {
		t.Error("a map of one has no room for another")
	}
}
