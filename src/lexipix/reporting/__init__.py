"""Pictures for people: contact sheets, figures and the HTML report."""
