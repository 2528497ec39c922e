package delivery_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that nobody waited for.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
