package handlebars_test

import (
	"context"
	"fmt"

	"github.com/sesame-mta/sesame/mail/handlebars"
)

func Example() {
	template, err := handlebars.Parse("Hello {{name}},{{#each orders}} {{id}}{{/each}} {{city}}")
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := handlebars.ReadData(`{"name":"Ann","orders":[{"id":7},{"id":8}]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	budget := &handlebars.Budget{Steps: 1000, Octets: 1000}
	_, err = template.Render(context.Background(), data, budget)
	fmt.Println(err)
	city, _ := handlebars.ReadData(`{"city":"Ulm"}`)
	text, err := template.Render(context.Background(), city.Over(data), budget)
	fmt.Println(text, err)
	// Output:
	// Attribute 'city' is not present in the rendering data.
	// Hello Ann, 7 8 Ulm <nil>
}
