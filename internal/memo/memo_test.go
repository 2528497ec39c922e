package memo_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/internal/memo"
)

func ExampleTable_Get() {
	t := memo.New[string](100)
	defer t.Close()
	load := func(context.Context, *string) (string, time.Time) {
		fmt.Println("loading")
		return "value", time.Now().Add(time.Hour)
	}
	for range 2 {
		v, err := t.Get(context.Background(), "key", load)
		fmt.Println(v, err)
	}
	// Output:
	// loading
	// value <nil>
	// value <nil>
}

// count gives a load that counts itself and is good for d.
func count(n *int, d time.Duration) memo.Load[int] {
	return func(context.Context, *int) (int, time.Time) {
		*n++
		return *n, time.Now().Add(d)
	}
}

func TestValueIsLoadedAgainWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := memo.New[int](10)
		defer table.Close()
		var n int
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {time.Minute, 3}} {
			time.Sleep(step.wait)
			if got, err := table.Get(t.Context(), "k", count(&n, time.Minute)); got != step.want || err != nil {
				t.Errorf("after %v: got %d, %v, want %d", step.wait, got, err, step.want)
			}
		}
	})
}

func TestLoadSeesTheValueThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := memo.New[string](10)
		defer table.Close()
		var seen []string
		load := func(_ context.Context, old *string) (string, time.Time) {
			if old == nil {
				seen = append(seen, "nothing")
			} else {
				seen = append(seen, *old)
			}
			return fmt.Sprint("v", len(seen)), time.Now().Add(time.Second)
		}
		for range 3 {
			if _, err := table.Get(t.Context(), "k", load); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if got := fmt.Sprint(seen); got != "[nothing v1 v2]" {
			t.Errorf("loads saw %s", got)
		}
	})
}

func TestManyCallersShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := memo.New[int](10)
		defer table.Close()
		var n int
		release := make(chan struct{})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				got, err := table.Get(t.Context(), "k", func(context.Context, *int) (int, time.Time) {
					<-release
					n++
					return 7, time.Now().Add(time.Minute)
				})
				if got != 7 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
}

func TestCallerThatGivesUpDoesNotEndTheLoadForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := memo.New[int](10)
		defer table.Close()
		load := func(ctx context.Context, _ *int) (int, time.Time) {
			select {
			case <-time.After(time.Minute):
				return 1, time.Now().Add(time.Hour)
			case <-ctx.Done():
				return -1, time.Time{}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		patient := make(chan int, 1)
		go func() {
			v, _ := table.Get(context.Background(), "k", load)
			patient <- v
		}()
		if _, err := table.Get(ctx, "k", load); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient got %v", err)
		}
		if got := <-patient; got != 1 {
			t.Errorf("the patient got %d, want 1", got)
		}
	})
}

func TestTableKeepsTheMostRecentlyUsed(t *testing.T) {
	table := memo.New[int](3)
	defer table.Close()
	var n int
	get := func(key string) int {
		v, err := table.Get(t.Context(), key, count(&n, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, key := range []string{"a", "b", "c", "a", "d"} {
		get(key)
	}
	if table.Len() != 3 {
		t.Errorf("%d values held, want 3", table.Len())
	}
	if got := get("a"); got != 1 {
		t.Errorf("a was loaded again (%d) although it was used lately", got)
	}
	if got := get("b"); got != 5 {
		t.Errorf("b gave %d, want a fifth load", got)
	}
}

func TestCloseEndsLoadsAndRefusesMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := memo.New[int](3)
		got := make(chan int)
		go func() {
			v, _ := table.Get(context.Background(), "k", func(ctx context.Context, _ *int) (int, time.Time) {
				<-ctx.Done()
				return 9, time.Time{}
			})
			got <- v
		}()
		synctest.Wait()
		go table.Close()
		if v := <-got; v != 9 {
			t.Errorf("got %d, want 9", v)
		}
		synctest.Wait()
		if _, err := table.Get(context.Background(), "k", nil); !errors.Is(err, memo.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
