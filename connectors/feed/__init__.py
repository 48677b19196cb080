"""The sample feed: changes invoices in the warehouse as an ERP would."""
