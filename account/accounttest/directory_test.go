package accounttest_test

import (
	"testing"

	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/store/storetest"
)

// kept is a directory that a test may close and open again.
type kept struct{ *accounttest.Directory }

func (kept) Close() error { return nil }

func TestTheDirectoryInMemoryKeepsTheContract(t *testing.T) {
	dirs := map[string]*accounttest.Directory{}
	storetest.RunBooks(t, func(_ testing.TB, dir string) storetest.Books {
		if dirs[dir] == nil {
			dirs[dir] = &accounttest.Directory{}
		}
		return kept{dirs[dir]}
	})
}
