package template_test

import (
	"context"
	"fmt"

	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/mail/handlebars"
)

func Example() {
	ctx := context.Background()
	book, err := template.Open(ctx, &accounttest.Directory{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = book.Create(ctx, template.Template{Account: "000000000001", Name: "Welcome",
		Content: template.Content{Subject: "Hello {{name}}", Text: "Welcome."}})
	if err != nil {
		fmt.Println(err)
		return
	}
	welcome, err := book.Get(ctx, "000000000001", "Welcome")
	if err != nil {
		fmt.Println(err)
		return
	}
	data, _ := handlebars.ReadData(`{"name":"Ann"}`)
	filled, err := welcome.Fill(ctx, data, 1<<20)
	fmt.Println(filled.Subject, err)
	// Output: Hello Ann <nil>
}
