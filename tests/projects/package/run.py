from forecast.pipelines import sales

if __name__ == "__main__":
    sales()
