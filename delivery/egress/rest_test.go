package egress_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/delivery/egress"
)

func sources(t *testing.T, list ...egress.Source) *egress.Sources {
	t.Helper()
	s, err := egress.NewSources("mta.example.com", list)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// three are two sources of a pool, and one of another.
func three(t *testing.T) *egress.Sources {
	return sources(t, source("a", "8.8.8.1", ""), source("b", "8.8.8.2", ""), source("c", "8.8.8.3", "bulk"))
}

// picks gives the IPv4 sources of the next n attempts.
func picks(s *egress.Sources, pool, site string, n int) string {
	var names []string
	for range n {
		v4, _ := s.Pick(pool, site)
		names = append(names, v4.Name)
	}
	return strings.Join(names, " ")
}

func TestARefusedSourceRestsAtThatSiteOnly(t *testing.T) {
	s := three(t)
	r, began, other := s.Refused("", site, "a")
	if !began || !other || r.Site != site || r.Source != "a" || time.Until(r.Until) < 11*time.Minute || time.Until(r.Until) > 19*time.Minute {
		t.Errorf("rest %+v, began %v, other %v", r, began, other)
	}
	if got := picks(s, "", site, 4); got != "b b b b" {
		t.Errorf("there it is %s", got)
	}
	if got := picks(s, "", "mx.example.net", 4); got != "a b a b" {
		t.Errorf("elsewhere it is %s", got)
	}
	if again, began, other := s.Refused("", site, "a"); began || !other || again.Until != r.Until {
		t.Errorf("what was under way made it %+v", again)
	}
	if list := s.Resting(); len(list) != 1 || list[0] != r {
		t.Errorf("resting %v", list)
	}
}

func TestAPoolOfOneNeverRestsAndNoneIsLeft(t *testing.T) {
	s := three(t)
	for _, pool := range []string{"bulk", "", "none of these"} {
		for _, name := range []string{"c", "d", ""} {
			if _, began, other := s.Refused(pool, site, name); began || other {
				t.Errorf("%s of pool %q rests", name, pool)
			}
		}
	}
	if got := picks(s, "bulk", site, 2); got != "c c" || len(s.Resting()) != 0 {
		t.Errorf("picks %s, resting %v", got, s.Resting())
	}
	if _, began, other := sources(t).Refused("", site, ""); began || other {
		t.Error("the kernel's choice rests")
	}
}

func TestASourceOfTheOtherFamilyIsNoOther(t *testing.T) {
	s := sources(t, source("a", "8.8.8.1", ""), source("b", "2a00::1", ""), source("c", "2a00::2", ""))
	if _, began, other := s.Refused("", site, "a"); began || other {
		t.Error("IPv6 stands in for IPv4")
	}
	if _, began, other := s.Refused("", site, "b"); !began || !other {
		t.Error("the other IPv6 source is not seen")
	}
	for range 3 {
		if v4, v6 := s.Pick("", site); v4.Name != "a" || v6.Name != "c" {
			t.Errorf("picked %s and %s", v4.Name, v6.Name)
		}
	}
}

func TestWhenAllRestTheNextToWakeIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t)
		s.Refused("", site, "a")
		time.Sleep(10 * time.Minute)
		if _, began, other := s.Refused("", site, "b"); !began || other {
			t.Error("one is left")
		}
		if got := picks(s, "", site, 3); got != "a a a" {
			t.Errorf("it is %s", got)
		}
	})
}

func TestRestsGrowWithEachRefusalAndEndWithMailThatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t)
		for i, want := range []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 12 * time.Hour} {
			r, began, _ := s.Refused("", site, "a")
			d := time.Until(r.Until)
			if !began || d < want*8/10 || d > want*12/10 {
				t.Errorf("rest %d is of %v, want %v", i, d, want)
			}
			time.Sleep(d)
			if got := picks(s, "", site, 2); got != "a b" && got != "b a" {
				t.Errorf("after its rest it is %s", got)
			}
		}
		s.Return(site, "b") // another's luck
		s.Return(site, "a")
		r, _, _ := s.Refused("", site, "a")
		if d := time.Until(r.Until); d > 18*time.Minute {
			t.Errorf("after a success the rest is of %v", d)
		}
		s.Return(site, "a")
		if got := picks(s, "", site, 2); got != "a b" && got != "b a" {
			t.Errorf("after a success it is %s", got)
		}
		s.Refused("", site, "a")
		time.Sleep(48 * time.Hour)
		r, _, _ = s.Refused("", site, "a")
		if d := time.Until(r.Until); d > 18*time.Minute {
			t.Errorf("after two days of peace the rest is of %v", d)
		}
	})
}

func TestTheOperatorWakesSources(t *testing.T) {
	s := three(t)
	for _, at := range []string{site, "mx.example.net", "mx.example.com"} {
		s.Refused("", at, "a")
	}
	s.Wake(site)
	if list := s.Resting(); len(list) != 2 || list[0].Site == site || list[1].Site == site {
		t.Errorf("resting %v", list)
	}
	s.Wake("")
	if list := s.Resting(); len(list) != 0 {
		t.Errorf("resting %v", list)
	}
}

func TestRestsAreBounded(t *testing.T) {
	s := three(t)
	for i := range 25_000 {
		s.Refused("", fmt.Sprintf("mx%d.example.org", i), "a")
	}
	if n := len(s.Resting()); n > 10_000 || n < 9_000 {
		t.Errorf("%d rests are remembered", n)
	}
	if got := picks(s, "", "mx24999.example.org", 2); got != "b b" {
		t.Errorf("the newest is forgotten: %s", got)
	}
}

func ExampleSources_Refused() {
	addr := func(name, a string) egress.Source { return source(name, a, "") }
	s, err := egress.NewSources("mta.example.com", []egress.Source{addr("a", "8.8.8.1"), addr("b", "8.8.8.2")})
	if err != nil {
		panic(err)
	}
	_, _, other := s.Refused("", "mx.example.org", "a")
	v4, _ := s.Pick("", "mx.example.org")
	fmt.Println(other, v4.Name)
	// Output: true b
}
