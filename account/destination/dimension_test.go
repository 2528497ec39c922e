package destination_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/destination"
)

func TestDimensionsAreReadAndChecked(t *testing.T) {
	for text, want := range map[string]string{
		"campaign=messageTag:none":               "",
		"ses:from-domain=messageTag:example.org": "",
		"X-Team=emailHeader:a@b.c":               "",
		"button=linkTag:top":                     "",
		"campaign=messageTag":                    "has not the form",
		"campaign":                               "has not the form",
		"a b=messageTag:x":                       "the name of a dimension",
		"=messageTag:x":                          "the name of a dimension",
		"a=messageTag:":                          "the default of dimension a",
		"a=messageTag:b c":                       "the default of dimension a",
		"a=tag:x":                                `comes from "tag"`,
		"Message-ID=emailHeader:x":               "nothing is counted by",
		"cc=emailHeader:x":                       "nothing is counted by",
		"to=messageTag:x":                        "",
	} {
		d, err := destination.ParseDimension(text)
		if want == "" {
			if err != nil || fmt.Sprintf("%s=%s:%s", d.Name, d.Source, d.Default) != text {
				t.Errorf("%s: %+v, %v", text, d, err)
			}
		} else if !errors.Is(err, destination.ErrBad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestCountersAreKeptAndChecked(t *testing.T) {
	dimension := func(names ...string) (list []destination.Dimension) {
		for _, n := range names {
			list = append(list, destination.Dimension{Name: n, Source: destination.MessageTag, Default: "x"})
		}
		return list
	}
	good := destination.Destination{Owner: owner("a"), Name: "graphs", Kind: destination.Metrics, Events: []string{"send"}, Dimensions: dimension("a", "b")}
	for name, c := range map[string]struct {
		change func(*destination.Destination)
		want   string
	}{
		"as it should be":    {func(*destination.Destination) {}, ""},
		"a target":           {func(d *destination.Destination) { d.Target = "x" }, "no target"},
		"two with one label": {func(d *destination.Destination) { d.Dimensions = dimension("a-b", "a_b") }, "two dimensions become dimension_a_b"},
		"too many": {func(d *destination.Destination) {
			d.Dimensions = dimension(strings.Split("a,b,c,d,e,f,g,h,i,j,k", ",")...)
		}, "at most 10"},
		"of an identity": {func(d *destination.Destination) {
			d.Owner, d.Events = destination.Owner{Account: shop, Identity: "example.com"}, []string{"bounce"}
		}, "of a configuration set"},
		"dimensions of what is no count": {func(d *destination.Destination) { d.Kind, d.Target = destination.File, "x" }, "only counters"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := &accounttest.Directory{}
			b, keys, _ := openKeys(t, dir)
			d := good
			c.change(&d)
			_, _, err := b.Add(t.Context(), d)
			if c.want != "" {
				if !errors.Is(err, destination.ErrBad) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := destination.Open(t.Context(), destination.Options{Directory: dir, Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			got, err := again.Get(d.Owner, d.Name)
			if err != nil || len(got.Dimensions) != 2 || got.Dimensions[1] != d.Dimensions[1] {
				t.Errorf("after a restart %+v, %v", got, err)
			}
		})
	}
}
